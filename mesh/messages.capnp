# The wire form of mesh/messages.h; mesh/codec.cc is the only reader and writer.
#
# Evolution  append fields with the next number, never change or reuse one. What an older node may
#            not misread raises kProtocolVersion.
# Units      watts, joules, milliseconds, as in messages.h. Sizes are bounded by
#            mesh/message_limits.h, not here.
@0xb1d9d1c2a7f0e35b;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vpp::mesh::wire");

struct Frame {
  version @0 :UInt16;
  union {
    probe @1 :Probe;
    probeAck @2 :ProbeAck;
    hello @3 :Hello;
    helloAck @4 :HelloAck;
    helloNak @5 :HelloNak;
    report @6 :Report;
    beacon @7 :Beacon;
    dispatch @8 :Dispatch;
    dispatchAck @9 :DispatchAck;
    evict @10 :Nodes;
    cleared @11 :Nodes;
    bye @12 :Bye;
    redirect @13 :Redirect;
    follow @14 :Follow;
    lead @15 :Lead;
    journalPart @16 :JournalPart;
    unload @17 :Unload;
    valueSignal @18 :ValueSignal;
    plannedLoad @19 :PlannedLoad;
    ownerRates @20 :OwnerRates;
  }
}

struct NodeId {
  high @0 :UInt64;
  low @1 :UInt64;
}

struct Endpoint {
  address @0 :Text;
  serverKey @1 :Data;
}

struct Attachment {
  high @0 :UInt64;
  low @1 :UInt64;
  session @2 :UInt64;
  settled @3 :Bool;
}

struct Receipt {
  order @0 :UInt64;
  deliveredJ @1 :Int64;
}

enum Role {
  leaf @0;
  aggregator @1;
  root @2;
}

enum LinkKind {
  lan @0;
  wan @1;
  cellular @2;
}

struct Probe {
  nonce @0 :UInt64;
}

struct ProbeAck {
  nonce @0 :UInt64;
  term @1 :UInt64;
  path @2 :List(NodeId);
  children @3 :UInt32;
  freeSlots @4 :UInt32;
  region @5 :Text;
}

struct Hello {
  certificate @0 :Data;
  role @1 :Role;
  name @2 :Text;
  region @3 :Text;
  session @4 :UInt64;
  lastParent @5 :NodeId;   # absent: none
  holdMs @6 :Int64;
  serves @7 :Endpoint;     # absent: takes no children
  handover @8 :Bool;
  link @9 :LinkKind;
}

struct SiteDirection {
  powerW @0 :Int64;
  energyJ @1 :Int64;
  responsePermille @2 :UInt16;
}

struct Scope {
  program @0 :Text;   # empty: the default program
  group @1 :Text;
}

enum Service {
  energy @0;
  frequency @1;
}

struct ProgramOffer {
  program @0 :Text;
  discharge @1 :SiteDirection;
  charge @2 :SiteDirection;
}

struct SiteSummary {
  discharge @0 :SiteDirection;
  charge @1 :SiteDirection;
  measured :union {
    unknown @2 :Void;
    watts @3 :Int64;
  }
  stored :union {
    unknown @4 :Void;
    joules @5 :Int64;
  }
  setPointW @6 :Int64;
  order @7 :UInt64;
  measuredAtMs @8 :Int64;
  stale @9 :Bool;
  receipts @10 :List(Receipt);
  offers @11 :List(ProgramOffer);
  groups @12 :List(Text);
  scope @13 :Scope;        # absent: the default one
  net :union {
    unknown @14 :Void;
    watts @15 :Int64;
  }
  armedW @16 :Int64;
  droopW @17 :Int64;
  noEnergy @18 :Bool;      # not subscribed to the default program
}

struct Coverage {
  enrolled @0 :UInt32;
  online @1 :UInt32;
  stale @2 :UInt32;
  offline @3 :UInt32;
}

struct Expectation {
  meanJ @0 :List(Int64);
  deviationJ @1 :List(Int64);
}

struct ScopeSummary {
  scope @0 :Scope;
  dischargeJ @1 :List(Int64);
  chargeJ @2 :List(Int64);
  online @3 :UInt32;
  measuredW @4 :Int64;
  askedW @5 :Int64;
  shortfallW @6 :Int64;
  reservedW @7 :Int64;
}

struct GroupSummary {
  gridId @0 :UInt16;
  dischargeJ @1 :List(Int64);
  chargeJ @2 :List(Int64);
  coverage @3 :Coverage;
  measuredW @4 :Int64;
  storedJ @5 :Int64;
  askedW @6 :Int64;
  shortfallW @7 :Int64;
  oldestMs @8 :Int64;
  newestMs @9 :Int64;
  receipts @10 :List(Receipt);
  reservedW @11 :Int64;
  dischargeExpected @12 :Expectation;   # absent: not told
  chargeExpected @13 :Expectation;
  scopes @14 :List(ScopeSummary);
  scopesLeftOut @15 :UInt32;
  netW @16 :Int64;
  netUnknown @17 :UInt32;
  armedW @18 :Int64;
  droopW @19 :Int64;
  loadW @20 :Int64;
}

struct Report {
  session @0 :UInt64;
  sequence @1 :UInt64;
  beacon @2 :Int64;
  summary :union {
    site @3 :SiteSummary;
    group @4 :GroupSummary;
  }
  attached @5 :List(Attachment);
  evicted @6 :List(Attachment);
  more @7 :Bool;
}

struct DispatchAck {
  order @0 :UInt64;
  tick @1 :UInt64;
  accepted @2 :Bool;
}

struct Bye {
  session @0 :UInt64;
}

struct HelloAck {
  session @0 :UInt64;
  certificate @1 :Data;
  leaseMs @2 :Int64;
  beaconIntervalMs @3 :Int64;
  spreadMs @4 :Int64;
  term @5 :UInt64;
  path @6 :List(NodeId);
  stamp @7 :Int64;
  marketTimeMs @8 :Int64;
  marketSpeed @9 :Int64;
  alternates @10 :List(Endpoint);
  evict @11 :List(Attachment);
  aboveMs @12 :Int64;
}

enum NakReason {
  noRoot @0;
  loop @1;
  full @2;
  busy @3;
  notAuthorised @4;
  oldSession @5;
  takesNone @6;
  draining @7;
}

struct HelloNak {
  reason @0 :NakReason;
  retryAfterMs @1 :Int64;
  alternates @2 :List(Endpoint);
  newest @3 :UInt64;
}

struct Beacon {
  stamp @0 :Int64;
  term @1 :UInt64;
  path @2 :List(NodeId);
  marketTimeMs @3 :Int64;
  marketSpeed @4 :Int64;
  alternates @5 :List(Endpoint);
  alone @6 :Bool;
  aboveMs @7 :Int64;
}

struct Dispatch {
  order @0 :UInt64;
  term @1 :UInt64;
  sequence @2 :UInt64;
  tick @3 :UInt64;
  share :union {
    release @4 :Void;
    watts @5 :Int64;
  }
  fromMs @6 :Int64;
  untilMs @7 :Int64;
  expires @8 :Int64;
  repeat @9 :UInt32;
  ahead @10 :List(Step);
  scope @11 :Scope;        # absent: the default one
  service @12 :Service;
}

struct Step {
  order @0 :UInt64;
  shareW @1 :Int64;
  fromMs @2 :Int64;
  untilMs @3 :Int64;
}

enum RedirectReason {
  draining @0;
  balance @1;
}

struct Redirect {
  reason @0 :RedirectReason;
  alternates @1 :List(Endpoint);
}

struct Unload {
  sites @0 :UInt32;
  to @1 :List(Endpoint);
}

struct ValueSignal {        # prices in micro-units per MWh
  head @0 :NodeId;
  round @1 :UInt64;
  fromMs @2 :Int64;
  slotMs @3 :Int64;
  untilMs @4 :Int64;
  waitMs @5 :Int64;
  perKw @6 :Int64;
  values @7 :List(Int64);
}

struct PlannedLoad {
  head @0 :NodeId;
  round @1 :UInt64;
  homes @2 :UInt32;
  fixed @3 :UInt32;
  netLoadW @4 :List(Int64);
  paid @5 :Int64;           # micro-units
}

struct OwnerRate {          # micro-units per MWh
  order @0 :UInt64;
  perMwh @1 :Int64;
}

struct OwnerRates {
  rates @0 :List(OwnerRate);
}

struct Nodes {
  nodes @0 :List(Attachment);
}

struct Follow {
  promised @0 :UInt64;
  term @1 :UInt64;
  length @2 :UInt64;
  stagedBase @3 :UInt64;
  staged @4 :UInt64;
  fetch @5 :Bool;
}

struct Lead {
  promised @0 :UInt64;
  leads @1 :Bool;
}

struct JournalPart {
  term @0 :UInt64;
  base @1 :UInt64;
  snapshot @2 :UInt64;
  position @3 :UInt64;
  end @4 :UInt64;
  entries @5 :List(Data);   # opaque here
}
