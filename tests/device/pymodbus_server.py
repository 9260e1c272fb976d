#!/usr/bin/python3
"""Serves a register image over Modbus TCP: a server that is not ours (Debian's python3-pymodbus).

    pymodbus_server.py IMAGE.csv [--deaf] [--busy N] [--meter IMAGE.csv]

IMAGE.csv has the columns address, hex, uint16, status. Prints "READY ports=PORT". With --deaf,
writes are acknowledged and forgotten; with --busy, the first N writes are answered with
exception 6 (busy). With --meter, that image is at unit 240, the first at unit 1, and what is asked
of other units is answered with exception 11 (a gateway's: the target does not respond). Ends when
its standard input does.
"""
import argparse
import asyncio
import csv
import importlib.util
import sys
import types

# Only recommended by python3-pymodbus, imported all the same, and of no use over TCP.
for name in ("serial", "serial_asyncio"):
    if importlib.util.find_spec(name) is None:
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].create_serial_connection = None

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.pdu import ExceptionResponse, ModbusExceptions
from pymodbus.server.async_io import ModbusTcpServer


class Deaf(ModbusSparseDataBlock):
    def setValues(self, address, values, use_as_default=False):
        pass


def image(path):
    with open(path, newline="", encoding="ascii") as file:
        return {int(row["address"]): int(row["uint16"]) for row in csv.DictReader(file)
                if row["status"] == "ok"}


async def serve(options):
    registers = image(options.image)
    block = Deaf(registers) if options.deaf else ModbusSparseDataBlock(registers)
    busy = options.busy

    def answer(response):
        nonlocal busy
        if response.function_code == 16 and busy > 0:
            busy -= 1
            busy_response = ExceptionResponse(16, ModbusExceptions.SlaveBusy)
            busy_response.transaction_id = response.transaction_id
            busy_response.unit_id = response.unit_id
            return busy_response, False
        return response, False

    manipulator = {"response_manipulator": answer} if options.busy else {}
    units = {1: ModbusSlaveContext(hr=block, zero_mode=True)}
    if options.meter:
        meter = ModbusSparseDataBlock(image(options.meter))
        units[240] = ModbusSlaveContext(hr=meter, zero_mode=True)
    context = (ModbusServerContext(units, single=False) if options.meter else
               ModbusServerContext(units[1], single=True))
    server = ModbusTcpServer(context, address=("127.0.0.1", 0), **manipulator)
    task = asyncio.create_task(server.serve_forever())
    await server.serving
    print(f"READY ports={server.server.sockets[0].getsockname()[1]}", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    task.cancel()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--meter")
    asyncio.run(serve(parser.parse_args()))


main()
