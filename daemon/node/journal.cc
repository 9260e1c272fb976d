#include "daemon/node/journal.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "bidding/compaction.h"
#include "config/check.h"
#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPartBytesMax = 49'152;    ///< fits a frame with room for what is around
constexpr int kPartsAtOnce = 8;                  ///< until the standby says that it got them
constexpr Duration kSendAgain = 1s;              ///< what was sent may be lost
constexpr std::uint64_t kStagedMax = 1'000'000;  ///< entries; years of them
constexpr std::size_t kTailMax = 4'096;          ///< then compacted: a week of a busy bidder
constexpr std::size_t kTailMost = 4 * kTailMax;  ///< then compacted, whoever is behind
constexpr std::size_t kOrdersOverMax = 1'000;    ///< older ones are forgotten

Record to_record(const JournalEntry& entry) {
  return std::visit([](const auto& each) { return Record{each}; }, entry);
}

}  // namespace

Journal::Journal(JournalOptions options, const Recovered& recovered)
    : options_{std::move(options)}, promised_{recovered.term.value_or(TermRecord{}).term} {
  VPP_CHECK(options_.roots > options_.copies);
  std::ranges::copy(recovered.orders, std::back_inserter(snapshot_));
  std::ranges::copy(recovered.facts, std::back_inserter(snapshot_));
  const JournalHead head = recovered.journal.value_or(JournalHead{0, snapshot_.size()});
  held_ = {head.term, head.length};
  base_ = held_.length;
}

void Journal::heard_of(std::uint64_t term) {
  if (term <= promised_) return;
  state_ = Following{};  // what was staged was of an older leader
  promised_ = term;
  effects_.persist.emplace_back(TermRecord{term});
  for (const auto& [root, rank] : ranks_) effects_.follow.push_back(root);
}

void Journal::lead(std::uint64_t term) {
  VPP_CHECK(term > promised_);
  promised_ = term;
  if (!planted(Bug::kTermNotPersisted)) effects_.persist.emplace_back(TermRecord{term});
  state_ = Gathering{};
  effects_.tell_all = true;
  try_take_over();
}

void Journal::stop_leading() {
  if (leads()) state_ = Following{};
}

// --- take-over -----------------------------------------------------------------------------------

std::size_t Journal::missing_for_take_over() const {
  const auto* gathering = std::get_if<Gathering>(&state_);
  if (gathering == nullptr) return 0;
  const std::size_t wanted = planted(Bug::kTakenOverAlone) ? 1 : options_.roots - options_.copies;
  const std::size_t heard = gathering->heard.size() + 1;
  return wanted > heard ? wanted - heard : 0;
}

void Journal::try_take_over() {
  auto& gathering = std::get<Gathering>(state_);
  if (missing_for_take_over() > 0) return;
  const auto best =
      std::ranges::max_element(gathering.heard, {}, [](const auto& each) { return each.second; });
  if (best == gathering.heard.end() || best->second <= held_) return take_over();
  if (gathering.from == best->first) return;
  gathering.from = best->first;
  gathering.staging = {};
  effects_.follow.push_back(best->first);
}

/// What is held now is what the plant goes on with.
void Journal::take_over() {
  held_.term = promised_;
  compact();
  head_changed_ = true;
  state_ = Serving{};
  commit(std::get<Serving>(state_));
  effects_.taken_over = true;
}

// --- serving -------------------------------------------------------------------------------------

std::uint64_t Journal::append(const Now& now, JournalEntry entry) {
  VPP_CHECK(serves());
  effects_.persist.push_back(to_record(entry));
  tail_.push_back(std::move(entry));
  ++held_.length;
  head_changed_ = true;
  commit(std::get<Serving>(state_));
  push(now);
  const std::uint64_t number = held_.length;
  // Who is behind then needs the whole once more.
  const bool all_have_it =
      std::ranges::all_of(std::get<Serving>(state_).standbys,
                          [&](const auto& each) { return each.second.held == number; });
  if (tail_.size() >= (all_have_it ? kTailMax : kTailMost)) compact();
  return number;
}

std::uint64_t Journal::committed() const {
  const auto* serving = std::get_if<Serving>(&state_);
  return serving != nullptr ? serving->committed : 0;
}

void Journal::commit(Serving& serving) const {
  std::vector<std::uint64_t> held;
  for (const auto& [root, standby] : serving.standbys) held.push_back(standby.held);
  std::ranges::sort(held, std::greater{});
  std::uint64_t copied = held_.length;
  if (planted(Bug::kAcknowledgedAlone)) held.assign(options_.copies, held_.length);
  if (options_.copies > held.size()) copied = 0;
  if (options_.copies > 0 && options_.copies <= held.size()) copied = held[options_.copies - 1];
  serving.committed = std::max(serving.committed, std::min(copied, held_.length));
}

std::size_t Journal::standbys(Instant now) const {
  const auto* serving = std::get_if<Serving>(&state_);
  if (serving == nullptr) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(serving->standbys, [&](const auto& each) {
    return each.second.current && now < each.second.heard_at + kSilentMax;
  }));
}

bool Journal::copied(Instant now) const {
  return serves() && standbys(now) >= options_.copies;
}

Instant Journal::next_silence(Instant now) const {
  const auto* serving = std::get_if<Serving>(&state_);
  Instant due = kNever;
  if (serving == nullptr || options_.copies == 0) return due;
  for (const auto& [root, standby] : serving->standbys) {
    const Instant silent = standby.heard_at + kSilentMax;
    if (now < silent) due = std::min(due, silent);
  }
  return due;
}

void Journal::acknowledged(const Now& now, NodeId from, const mesh::Follow& follow) {
  auto& serving = std::get<Serving>(state_);
  Standby& standby = serving.standbys[from];
  standby.heard_at = now.protocol;
  standby.current = follow.held.term == promised_;
  // A rank of this term never shrinks: an older Follow may come late.
  if (standby.current) standby.held = std::max(standby.held, follow.held.length);
  commit(serving);
  std::uint64_t position = 0;
  if (standby.current && standby.held >= base_) {
    position = snapshot_.size() + (standby.held - base_);
  } else if (follow.staged_base == base_) {
    position = std::min(follow.staged, end());
  }
  const bool under_way = position < standby.sent && now.protocol < standby.sent_at + kSendAgain;
  if (under_way) return;
  standby.sent = position;
  // One without a single entry is how an empty journal is adopted.
  const bool behind = !standby.current || standby.held < held_.length;
  if (behind) send(now, from, standby);
}

void Journal::send(const Now& now, NodeId to, Standby& standby) {
  standby.sent = send_from(to, standby.sent, kPartsAtOnce);
  standby.sent_at = now.protocol;
}

std::uint64_t Journal::send_from(NodeId to, std::uint64_t position, int parts) {
  for (; parts > 0; --parts) {
    mesh::JournalPart part{.term = held_.term,
                           .base = base_,
                           .snapshot = snapshot_.size(),
                           .position = position,
                           .end = end(),
                           .entries = {}};
    std::size_t bytes = 0;
    while (position < end() && part.entries.size() < limits::kJournalEntriesMax &&
           bytes < kPartBytesMax) {
      auto entry = options_.codec.encode(at(position));
      bytes += entry.size() + 16;
      if (bytes > kPartBytesMax && !part.entries.empty()) break;
      part.entries.push_back(std::move(entry));
      ++position;
    }
    effects_.answers.push_back({to, std::move(part)});
    if (position >= end()) break;
  }
  return position;
}

/// To those who have all that was before.
void Journal::push(const Now& now) {
  for (auto& [root, standby] : std::get<Serving>(state_).standbys) {
    if (standby.current && standby.sent + 1 == end()) send(now, root, standby);
  }
}

const JournalEntry& Journal::at(std::uint64_t position) const {
  return position < snapshot_.size() ? snapshot_[position] : tail_[position - snapshot_.size()];
}

// --- messages ------------------------------------------------------------------------------------

void Journal::on(const Now& now, NodeId from, const mesh::Follow& follow) {
  ranks_[from] = follow.held;
  heard_of(follow.promised);
  effects_.answers.push_back({from, lead()});
  if (follow.promised != promised_) return;
  if (std::holds_alternative<Following>(state_)) {
    if (!follow.fetch) return;
    send_from(from, follow.staged_base == base_ ? std::min(follow.staged, end()) : 0, 1);
  } else if (auto* gathering = std::get_if<Gathering>(&state_)) {
    gathering->heard[from] = follow.held;
    try_take_over();
  } else {
    acknowledged(now, from, follow);
  }
}

void Journal::on(const Now& /*now*/, NodeId from, const mesh::Lead& lead) {
  ranks_.try_emplace(from, std::nullopt);
  heard_of(lead.promised);
}

void Journal::on(const Now& /*now*/, NodeId from, const mesh::JournalPart& part) {
  const bool sound = part.snapshot <= part.end && part.position <= part.end &&
                     part.entries.size() <= part.end - part.position && part.end <= kStagedMax;
  if (!sound) return;
  if (auto* gathering = std::get_if<Gathering>(&state_)) {
    // Of the very journal that was promised: what its leader sent before it grew may come late.
    const mesh::JournalRank rank{part.term, part.base + (part.end - part.snapshot)};
    if (from != gathering->from || rank != gathering->heard[from]) return;
    if (!stage(gathering->staging, part)) return;
    if (gathering->staging.entries.size() < part.end) return effects_.follow.push_back(from);
    replace(std::move(gathering->staging), rank);
    return take_over();
  }
  auto* following = std::get_if<Following>(&state_);
  if (following == nullptr || part.term != promised_) return;
  if (held_.term == part.term && held_.length >= part.base) {
    extend(part);
  } else if (stage(following->staging, part) &&
             following->staging.entries.size() >= part.snapshot) {
    const std::uint64_t length = part.base + (following->staging.entries.size() - part.snapshot);
    replace(std::exchange(following->staging, {}), {part.term, length});
  }
  effects_.follow.push_back(from);
}

void Journal::parted(NodeId from) {
  auto* gathering = std::get_if<Gathering>(&state_);
  if (gathering == nullptr || gathering->from != from) return;
  // Any other so many will do, and it may come back.
  gathering->heard.erase(from);
  gathering->from = kNoNode;
  gathering->staging = {};
  try_take_over();
}

mesh::Follow Journal::follow(NodeId to) const {
  mesh::Follow out{.promised = promised_, .held = held_};
  const Staging* staging = nullptr;
  if (const auto* gathering = std::get_if<Gathering>(&state_)) {
    out.fetch = gathering->from == to;
    if (out.fetch) staging = &gathering->staging;
  } else if (const auto* following = std::get_if<Following>(&state_)) {
    staging = &following->staging;
  }
  if (staging != nullptr) {
    out.staged_base = staging->base;
    out.staged = staging->entries.size();
  }
  return out;
}

// --- a standby's journal -------------------------------------------------------------------------

/// Of the same leader: what is held is a prefix of what it has.
void Journal::extend(const mesh::JournalPart& part) {
  for (std::size_t i = 0; i < part.entries.size(); ++i) {
    const std::uint64_t position = part.position + i;
    if (position < part.snapshot) continue;
    const std::uint64_t number = part.base + (position - part.snapshot);
    if (number < held_.length) continue;
    if (number > held_.length) return;
    auto entry = decoded(part.entries[i]);
    if (!entry) return;
    effects_.persist.push_back(to_record(*entry));
    tail_.push_back(*std::move(entry));
    ++held_.length;
    head_changed_ = true;
  }
  if (tail_.size() >= kTailMax) compact();
}

bool Journal::stage(Staging& staging, const mesh::JournalPart& part) {
  const bool same =
      staging.term == part.term && staging.base == part.base && staging.snapshot == part.snapshot;
  if (!same) {
    staging = {};  // of another sender, or of the same before it compacted: from its beginning
    if (part.position != 0) return false;
    staging = {.term = part.term, .base = part.base, .snapshot = part.snapshot, .entries = {}};
  }
  if (part.position > staging.entries.size()) return false;
  for (std::size_t i = staging.entries.size() - part.position; i < part.entries.size(); ++i) {
    auto entry = decoded(part.entries[i]);
    if (!entry) return false;
    staging.entries.push_back(*std::move(entry));
  }
  return true;
}

std::optional<JournalEntry> Journal::decoded(const std::vector<std::uint8_t>& bytes) {
  auto entry = options_.codec.decode(bytes);
  if (!entry) {
    effects_.notices.push_back({Severity::kError, "VPP_JOURNAL_UNREADABLE",
                                "another root sent an entry that this version does not know"});
  }
  return entry;
}

void Journal::replace(Staging staging, mesh::JournalRank rank) {
  effects_.persist.emplace_back(JournalCleared{});
  for (const JournalEntry& entry : staging.entries) effects_.persist.push_back(to_record(entry));
  snapshot_ = std::move(staging.entries);
  tail_.clear();
  held_ = rank;
  base_ = rank.length;
  head_changed_ = true;
}

// --- content -------------------------------------------------------------------------------------

std::pair<std::vector<aggregation::Order>, std::vector<bidding::Fact>> Journal::content() const {
  std::map<OrderId, aggregation::Order> orders;
  std::vector<bidding::Fact> facts;
  for (const Entries* part : {&snapshot_, &tail_}) {
    for (const JournalEntry& entry : *part) {
      if (const auto* order = std::get_if<aggregation::Order>(&entry)) orders[order->id] = *order;
      if (const auto* fact = std::get_if<bidding::Fact>(&entry)) facts.push_back(*fact);
    }
  }
  std::vector<aggregation::Order> newest;
  for (auto& [id, order] : orders) newest.push_back(std::move(order));
  return {std::move(newest), std::move(facts)};
}

/// Forgets what no root needs any more; numbers below the present length are gone after that.
void Journal::compact() {
  auto [orders, facts] = content();
  const std::vector<bool> needed =
      bidding::needed_facts(facts, bidding::newest_time(facts), options_.prices_kept);
  const auto over = std::ranges::count_if(
      orders, [](const auto& order) { return !aggregation::is_open(order.state); });
  std::size_t forget = static_cast<std::size_t>(over);
  forget -= std::min(forget, kOrdersOverMax);
  snapshot_.clear();
  for (aggregation::Order& order : orders) {
    const bool forgotten = forget > 0 && !aggregation::is_open(order.state);
    if (forgotten) --forget;
    if (!forgotten) snapshot_.emplace_back(std::move(order));
  }
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (needed[i]) snapshot_.emplace_back(std::move(facts[i]));
  }
  tail_.clear();
  base_ = held_.length;
}

std::optional<mesh::JournalRank> Journal::rank_of(NodeId root) const {
  const auto found = ranks_.find(root);
  return found != ranks_.end() ? found->second : std::nullopt;
}

JournalEffects Journal::take_effects() {
  if (std::exchange(head_changed_, false)) {
    effects_.persist.emplace_back(JournalHead{held_.term, held_.length});
  }
  return std::exchange(effects_, {});
}

}  // namespace vpp::node
