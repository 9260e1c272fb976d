// Every limit of the system, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "config/time.h"
#include "config/units.h"

namespace vpp::limits {

using namespace std::chrono_literals;

// Wire.
inline constexpr std::size_t kFrameBytesMax = 65'536;  ///< ZMQ_MAXMSGSIZE; a report is ~1 kB
inline constexpr std::size_t kReaderWordsMax = 8'192;  ///< Cap'n Proto traversal: one full frame
inline constexpr int kReaderNestingMax = 16;           ///< our schema nests 5 deep
inline constexpr std::size_t kDepthMax = 8;            ///< nodes on a path, root included
inline constexpr std::size_t kAlternatesMax = 8;       ///< enough to survive a rack, small to store
inline constexpr std::size_t kAttachmentsMax = 512;    ///< per report: 512 * 24 B fit in a frame
inline constexpr std::size_t kReceiptsOfPlant = 8;     ///< orders that a report accounts for ...
inline constexpr std::size_t kReceiptsMax = 9;  ///< ... and the newest of an aggregator's own
inline constexpr std::size_t kScopesMax = 24;   ///< per report: 24 pairs of curves fit in a frame
inline constexpr std::size_t kProgramsMax = 8;  ///< an owner subscribes to
inline constexpr std::size_t kGroupsMax = 8;    ///< a site is in
inline constexpr std::size_t kValueSlotsMax = 96;  ///< of a value signal: a day of quarter hours
inline constexpr std::size_t kJournalEntriesMax = 512;        ///< in one message between roots
inline constexpr std::size_t kJournalEntryBytesMax = 57'344;  ///< a fact has below 32 kB
inline constexpr std::size_t kNameBytesMax = 64;              ///< names and regions, for people
inline constexpr std::size_t kAddressBytesMax = 255;          ///< "tcp://" and a DNS name

// Config.
inline constexpr std::size_t kConfigBytesMax = 1'048'576;  ///< a real one is 2 kB
inline constexpr std::size_t kSeedsMax = 16;               ///< [[parents]]: two regions' worth
inline constexpr std::size_t kRootPeersMax = 4;            ///< [[peers]]: five roots are plenty
inline constexpr std::size_t kEtcdEndpointsMax = 9;        ///< more members than etcd advises
inline constexpr std::int64_t kMarketSpeedMax = 3'600;     ///< an hour of market per second
inline constexpr Duration kPollMin = 100ms;                ///< slower devices answer in 50-80 ms
inline constexpr Duration kPollMax = 60s;                  ///< older readings count as stale
inline constexpr Duration kNetLoadWindowMin = 5min;        ///< a kettle, a cloud
inline constexpr Duration kNetLoadWindowMax = 24h;         ///< whatever a day brings

inline constexpr std::size_t kTariffPeriodsMax = 48;  ///< a price for every half hour

// Mesh (design: profile `lan`).
inline constexpr Duration kBeaconInterval = 1s;
inline constexpr int kBeaconsToSuspect = 2;
inline constexpr int kBeaconsToOrphan = 3;
inline constexpr Duration kLease = 5s;
inline constexpr Duration kJoinTimeout = 3s;
inline constexpr Duration kBackoffMin = 250ms;
inline constexpr Duration kBackoffMax = 30s;
inline constexpr std::int64_t kRejoinsPerSecond = 1'250;  ///< what one parent admits without queue
inline constexpr std::int64_t kStandbySiblingsMax = 2'000;  ///< they join at once: see kJoinBurst
inline constexpr std::size_t kChildrenMax = 10'000;         ///< measured at the parent's ROUTER

// Orders.
inline constexpr Duration kControlTick = 1s;        ///< closed loop at root and aggregators
inline constexpr Duration kCutOffHold = 30s;        ///< default: a share not renewed so long ends
inline constexpr Duration kCutOffHoldMin = 5s;      ///< one lease: a few ticks may be lost
inline constexpr std::size_t kStepsAheadMax = 4;    ///< an hour of quarter-hourly market orders
inline constexpr std::size_t kLanesMax = 8;         ///< orders in force at once, for as many scopes
inline constexpr Duration kSetPointTtlMax = 15min;  ///< nobody holds a battery longer unasked
inline constexpr Duration kBeaconLossMax = 120s;    ///< then a leaf is on its local default

// Frequency (device/droop.h).
inline constexpr Duration kFrequencyHold = 15min;    ///< energy kept: at full activation, each way
inline constexpr Duration kFrequencyPollMax = 1s;    ///< or a response within a second is not
inline constexpr Duration kFrequencyAgeMax = 3s;     ///< three readings missed: no response
inline constexpr std::int32_t kFullAtMaxMhz = 5000;  ///< where grids shed load and trip

// Value signals (daemon/node/values.h).
inline constexpr Price kPriceMax{1'000'000'000'000};  ///< a million a MWh: beyond any market's cap
inline constexpr Amount kAmountMax{std::int64_t{1} << 50};  ///< a thousand million, in micro-units

// Power and energy.
inline constexpr Watts kGroupPowerMax{10'000'000'000};  ///< 10 GW: keeps int64 sums far from 2^63
inline constexpr Watts kSitePowerMax{1'000'000};        ///< 1 MW: a home battery never is
inline constexpr WattHours kSiteEnergyMax{10'000'000};  ///< 10 MWh, likewise

}  // namespace vpp::limits
