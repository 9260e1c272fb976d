#include "bidding/openadr_ven.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace vpp::bidding::openadr {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTokenLasts = 1h;    // a server that does not say
constexpr Duration kSampleHolds = 60s;  // market time
constexpr Duration kReadAhead = 48h;    // of the events, at a time
constexpr std::size_t kPlacedMost = 5'000;
constexpr Duration kReportsSince = 1h;  // older ones are nobody's any more
constexpr std::size_t kShownMost = 200;

constexpr long kUnauthorized = 401;
constexpr long kForbidden = 403;
constexpr long kNotFound = 404;
constexpr long kConflict = 409;
constexpr long kTooMany = 429;
constexpr long kServerError = 500;

std::vector<std::string> kinds_of(const Event& event) {
  std::set<std::string> out;
  for (const Interval& interval : event.intervals) {
    for (const Payload& payload : interval.payloads) out.insert(payload.type);
  }
  return {out.begin(), out.end()};
}

std::string name_of(const Event& event) {
  return event.name.empty() ? event.id : event.id + " (" + event.name + ")";
}

}  // namespace

Ven::Ven(VenOptions options, Rng rng)
    : options_{std::move(options)}, rng_{rng}, history_{kSampleHolds} {}

void Ven::say(bool warning, std::string code, std::string text) {
  effects_.notices.push_back({warning, std::move(code), std::move(text)});
}

VenEffects Ven::take_effects() {
  return std::exchange(effects_, {});
}

// --- calls ---------------------------------------------------------------------------------------

std::optional<Call> Ven::due_call(const Now& now) const {
  if (options_.credentials && (!token_until_ || *token_until_ <= now.protocol)) {
    if (!token_url_ && options_.version == Version::k31) return AskTokenUrl{};
    return AskToken{token_url_.value_or("")};
  }
  if (!ven_id_) {
    if (find_ven_) return FindVen{options_.ven_name};
    return RegisterVen{options_.ven_name};
  }
  if (!ven_id_->empty() && !resource_id_) {
    if (find_resource_) return FindResource{*ven_id_, options_.ven_name};
    return RegisterResource{*ven_id_, options_.ven_name, abilities_};
  }
  if (poll_at_ <= now.protocol) {
    if (listing_programs_) return FetchPrograms{skip_};
    return FetchEvents{skip_};
  }
  for (const auto& [id, known] : events_) {
    if (known.event.reports.empty() || known.reports_known) continue;
    return FetchReports{id, options_.ven_name, 0};
  }
  if (const auto due = due_report(); due && due->occurrence.due <= now.market) {
    const Known& known = events_.at(due->event);
    return SendReport{report_of({.event = known.event,
                                 .client = options_.ven_name,
                                 .resource = "AGGREGATED_REPORT",
                                 .refused = !known.refused.empty(),
                                 .begins = known.table->begins(),
                                 .ends = known.table->ends(),
                                 .baseline = baseline_},
                                known.event.reports[due->descriptor], due->occurrence, history_)};
  }
  return std::nullopt;
}

std::optional<Ven::DueReport> Ven::due_report() const {
  std::optional<DueReport> out;
  for (const auto& [id, known] : events_) {
    if (!known.table || !known.reports_known) continue;
    for (std::size_t i = 0; i < known.next_report.size(); ++i) {
      if (known.next_report[i] < 0) continue;
      auto next = occurrence(*known.table, known.event.reports[i], known.next_report[i]);
      if (next && (!out || next->due < out->occurrence.due)) out = DueReport{id, i, *next};
    }
  }
  return out;
}

void Ven::advance(const Now& now) {
  if (now.market >= read_until_) read_all(now);
  if (out_ || now.protocol < retry_at_) return;
  out_ = due_call(now);
  if (!out_) return;
  ++calls_;
  effects_.calls.push_back(*out_);
}

Instant Ven::next_deadline(const Now& now) const {
  Instant due = std::max(now.protocol, protocol_at(now, read_until_));
  if (out_) return due;
  Instant call = poll_at_;
  if (options_.credentials) call = std::min(call, token_until_.value_or(Instant{}));
  if (!ven_id_ || (!ven_id_->empty() && !resource_id_)) call = Instant{};
  if (const auto report = due_report()) {
    call = std::min(call, protocol_at(now, report->occurrence.due));
  }
  const bool ask_reports = std::ranges::any_of(events_, [](const auto& each) {
    return !each.second.reports_known && !each.second.event.reports.empty();
  });
  if (ask_reports) call = Instant{};
  return std::min(due, std::max({now.protocol, retry_at_, call}));
}

void Ven::answered(const Now& now, const Answer& answer, const Book& book) {
  if (!out_ || *out_ != answer.call) return;  // of a client before this one
  out_.reset();
  note_clock(now, answer);
  if (const auto* refused = std::get_if<Refused>(&answer.what)) {
    on(now, answer, *refused);
    return;
  }
  retry_ = Duration{0};
  retry_at_ = Instant{};
  if (!std::exchange(problem_, {}).empty()) {
    say(false, "VPP_OPENADR_REACHABLE", "the OpenADR server answers again");
  }
  if (const auto* e = std::get_if<TokenUrl>(&answer.what)) on(now, *e);
  if (const auto* e = std::get_if<TokenGiven>(&answer.what)) on(now, *e);
  if (const auto* e = std::get_if<ObjectFound>(&answer.what)) on(answer.call, *e);
  if (const auto* e = std::get_if<Programs>(&answer.what)) on(*e);
  if (const auto* e = std::get_if<Events>(&answer.what)) on(now, *e, book);
  if (const auto* e = std::get_if<ReportNames>(&answer.what)) on(answer.call, *e);
  if (std::holds_alternative<Done>(answer.what) &&
      std::holds_alternative<SendReport>(answer.call)) {
    if (const auto due = due_report()) {
      Known& known = events_.at(due->event);
      ++known.next_report[due->descriptor];
      ++known.sent;
      ++reports_sent_;
    }
  }
}

void Ven::on(const Now&, const TokenUrl& url) {
  token_url_ = url.url;
}

void Ven::on(const Now& now, const TokenGiven& token) {
  const Duration lasts = token.lasts.value_or(kTokenLasts);
  token_until_ = now.protocol + std::max<Duration>(1s, std::min<Duration>(lasts, 24h * 30) / 5 * 4);
}

void Ven::on(const Call& call, const ObjectFound& found) {
  const bool is_ven =
      std::holds_alternative<RegisterVen>(call) || std::holds_alternative<FindVen>(call);
  (is_ven ? ven_id_ : resource_id_) = found.id;
  (is_ven ? find_ven_ : find_resource_) = false;
  if (found.id.empty()) {
    say(true, "VPP_OPENADR_NOT_REGISTERED",
        std::string{"the server has no "} + (is_ven ? "VEN" : "resource") + " named " +
            options_.ven_name + " for this client, and made none");
  }
}

void Ven::on(const Call& call, const ReportNames& page) {
  const auto* asked = std::get_if<FetchReports>(&call);
  const auto it = asked == nullptr ? events_.end() : events_.find(asked->event);
  if (it == events_.end()) return;
  Known& known = it->second;
  const std::set<std::string> names{page.names.begin(), page.names.end()};
  const ReportContext context{
      .event = known.event, .client = options_.ven_name, .resource = "", .refused = false};
  for (std::size_t i = 0; i < known.next_report.size(); ++i) {
    std::int64_t& next = known.next_report[i];
    while (next >= 0 && names.contains(report_name(context, known.event.reports[i], next))) ++next;
  }
  known.reports_known = true;
}

void Ven::note_clock(const Now& now, const Answer& answer) {
  if (!options_.compare_clock || !answer.date) return;
  // A date is in whole seconds, half a second behind on the average.
  const Duration skew = *answer.date + 500ms - now.market;
  const bool off = std::chrono::abs(skew) > kSkewSaid;
  const bool was_off = skew_ && std::chrono::abs(*skew_) > kSkewSaid;
  skew_ = skew;
  if (off != was_off) {
    say(off, off ? "VPP_OPENADR_CLOCK" : "VPP_OPENADR_CLOCK_OK",
        "the server's clock is " + std::to_string(skew.count()) + " ms ahead of this one");
  }
  const Duration obeyed = std::chrono::abs(skew) > kSkewObeyed ? skew : Duration{0};
  if (std::chrono::abs(obeyed - skew_obeyed_) <= kSkewSaid) return;
  skew_obeyed_ = obeyed;
  for (auto& [id, known] : events_) place(known);
  read_all(now);
}

// --- failures ------------------------------------------------------------------------------------

/// The call is not repeated: the client goes on without what it was for.
bool Ven::is_final(const Call& call, long status) {
  if (std::holds_alternative<AskTokenUrl>(call) && status == kNotFound) {
    token_url_ = "";
    return true;
  }
  const bool refused = status >= 400 && status < kServerError && status != kUnauthorized &&
                       status != kTooMany && status != 408;
  if (!refused) return false;
  if (std::holds_alternative<RegisterVen>(call) || std::holds_alternative<FindVen>(call)) {
    find_ven_ = status == kConflict && !find_ven_;
    if (!find_ven_) ven_id_ = "";
  } else if (std::holds_alternative<RegisterResource>(call) ||
             std::holds_alternative<FindResource>(call)) {
    find_resource_ = status == kConflict && !find_resource_;
    if (!find_resource_) resource_id_ = "";
  } else if (const auto* reports = std::get_if<FetchReports>(&call)) {
    if (const auto it = events_.find(reports->event); it != events_.end()) {
      it->second.reports_known = true;
    }
  } else if (std::holds_alternative<SendReport>(call)) {
    if (const auto due = due_report()) ++events_.at(due->event).next_report[due->descriptor];
    ++(status == kConflict ? reports_sent_ : reports_refused_);
  } else {
    return false;
  }
  return true;
}

void Ven::on(const Now& now, const Answer& answer, const Refused& refused) {
  if (is_final(answer.call, refused.status)) {
    const bool expected = refused.status == kConflict || refused.status == kNotFound;
    if (!expected || std::holds_alternative<SendReport>(answer.call)) {
      say(true, refused.status == kForbidden ? "VPP_OPENADR_FORBIDDEN" : "VPP_OPENADR_REFUSED",
          refused.why);
    }
    return;
  }
  failed(now, answer, refused);
}

void Ven::failed(const Now& now, const Answer& answer, const Refused& refused) {
  ++failures_;
  const bool asks_token = std::holds_alternative<AskToken>(answer.call);
  if (refused.status == kUnauthorized && options_.credentials && !asks_token) {
    token_until_.reset();
    // A fresh token may be asked for at once; one that is refused as well waits.
    if (!std::exchange(refused_token_, true)) return;
  } else {
    refused_token_ = false;
  }
  outage_ = outage_ || refused.status == 0 || refused.status >= kServerError;
  if (problem_.empty()) say(true, "VPP_OPENADR_UNREACHABLE", refused.why);
  problem_ = refused.why.empty() ? "it failed" : refused.why;
  retry_ = std::clamp(retry_ * 2, Duration{kRetryLeast}, Duration{kRetryMost});
  Duration wait = rng_.jittered(retry_);
  if (answer.retry_after) wait = std::max(wait, std::min(*answer.retry_after, kRetryAfterMost));
  retry_at_ = now.protocol + wait;
  skip_ = 0;  // a listing begins anew
  programs_coming_.clear();
  events_coming_.clear();
  unreadable_coming_.clear();
  listing_programs_ = true;
}

// --- programs and events -------------------------------------------------------------------------

void Ven::on(const Programs& page) {
  refused_token_ = false;
  programs_coming_.insert(programs_coming_.end(), page.programs.begin(), page.programs.end());
  unreadable_coming_.insert(unreadable_coming_.end(), page.unreadable.begin(),
                            page.unreadable.end());
  skip_ += page.count;
  if (page.count >= kPageMost && skip_ < kObjectsMax) return;
  skip_ = 0;
  listing_programs_ = false;
}

void Ven::on(const Now& now, const Events& page, const Book& book) {
  events_coming_.insert(events_coming_.end(), page.events.begin(), page.events.end());
  for (const auto& [id, why] : page.unreadable) {
    unreadable_coming_.push_back("event " + (id.empty() ? "without an id" : id) + ": " + why);
  }
  skip_ += page.count;
  if (page.count >= kPageMost && skip_ < kObjectsMax) return;
  listed(now, book);
}

bool Ven::wants(const Event& event) const {
  if (options_.programs.empty()) return true;
  const Program* program = program_of(event);
  return program != nullptr &&
         std::ranges::find(options_.programs, program->name) != options_.programs.end();
}

const Program* Ven::program_of(const Event& event) const {
  const auto it = std::ranges::find(programs_, event.program, &Program::id);
  return it == programs_.end() ? nullptr : &*it;
}

void Ven::listed(const Now& now, const Book& book) {
  std::vector<Event> events = std::exchange(events_coming_, {});
  std::vector<std::string> unreadable = std::exchange(unreadable_coming_, {});
  const bool several_pages = skip_ > kPageMost;
  programs_ = std::exchange(programs_coming_, {});
  skip_ = 0;
  listing_programs_ = true;
  std::set<std::string> there;
  for (const Event& event : events) {
    if (wants(event)) there.insert(event.id);
  }
  const bool missing =
      std::ranges::any_of(events_, [&](const auto& each) { return !there.contains(each.first); });
  if (missing && several_pages && !std::exchange(look_again_, true)) return;
  look_again_ = false;
  for (const std::string& each : unreadable) {
    const bool known = std::ranges::find(unreadable_, each) != unreadable_.end();
    if (!known) say(true, "VPP_OPENADR_UNREADABLE", each);
  }
  unreadable_ = std::move(unreadable);
  std::erase_if(events_, [&](const auto& each) {
    if (there.contains(each.first)) return false;
    say(false, "VPP_OPENADR_EVENT_GONE", "event " + name_of(each.second.event) + " was deleted");
    return true;
  });
  for (const Event& event : events) {
    if (wants(event)) learn(now, event, book);
  }
  listed_ = now.market;
  poll_at_ = now.protocol + rng_.jittered(options_.poll);
  if (std::exchange(outage_, false)) {  // it may have forgotten who this is
    ven_id_.reset();
    resource_id_.reset();
  }
  read_all(now);
}

void Ven::learn(const Now& now, const Event& event, const Book& book) {
  const auto it = events_.find(event.id);
  if (it != events_.end() && it->second.event == event) return;
  const bool is_new = it == events_.end();
  Known known;
  known.event = event;
  known.shift = draw_shift(event, options_.ven_name);
  known.seen = now.market;
  if (!is_new && event.modified == it->second.event.modified) known.seen = it->second.seen;
  for (const auto& [id, order] : book) {
    if (order.source != aggregation::OrderSource::kOpenAdr) continue;
    if (const auto seen = seen_of_key(order.key, event, known.shift)) known.seen = *seen;
  }
  place(known);
  known.next_report.assign(event.reports.size(), 0);
  skip_reports(known, now);
  if (!is_new) known.sent = it->second.sent;
  say(!known.table, known.table ? "VPP_OPENADR_EVENT" : "VPP_OPENADR_EVENT_REFUSED",
      "event " + name_of(event) + (is_new ? " came" : " was changed") +
          (known.table ? (known.table->cancelled() ? ": it is cancelled" : "")
                       : ": not obeyed: " + known.why));
  events_.insert_or_assign(event.id, std::move(known));
}

void Ven::place(Known& known) {
  auto table = Timetable::make(
      known.event, {.seen = known.seen, .server_ahead = skew_obeyed_, .shift = known.shift});
  known.table.reset();
  known.why.clear();
  if (table) {
    known.table = *std::move(table);
  } else {
    known.why = table.error();
  }
}

void Ven::skip_reports(Known& known, const Now& now) {
  for (std::size_t i = 0; known.table && i < known.next_report.size(); ++i) {
    constexpr std::int64_t kLooksMost = 100'000;
    std::int64_t& next = known.next_report[i];
    while (next < kLooksMost) {
      const auto due = occurrence(*known.table, known.event.reports[i], next);
      if (!due || due->due + kReportsSince >= now.market) break;
      ++next;
    }
  }
}

/// What the events mean from now on, for a while.
void Ven::read_all(const Now& now) {
  wishes_.clear();
  values_.clear();
  limits_.clear();
  for (auto& [id, known] : events_) {
    if (!known.table) continue;
    const auto placed = known.table->within(now.market, now.market + kReadAhead, kPlacedMost);
    Meaning meaning = meaning_of(known.event, program_of(known.event), options_.rules, placed);
    for (const auto& [kind, why] : meaning.refused) {
      if (known.refused.contains(kind)) continue;
      say(true, "VPP_OPENADR_NOT_OBEYED",
          "event " + name_of(known.event) + ": " + kind + ": " + why);
    }
    known.refused.insert(meaning.refused.begin(), meaning.refused.end());
    for (const Alert& alert : meaning.alerts) {
      if (!known.told.insert(alert.type + alert.text).second) continue;
      say(true, "VPP_OPENADR_ALERT",
          alert.type + " (event " + name_of(known.event) + "): " + alert.text);
    }
    std::ranges::move(meaning.wishes, std::back_inserter(wishes_));
    std::ranges::move(meaning.values, std::back_inserter(values_));
    std::ranges::move(meaning.limits, std::back_inserter(limits_));
  }
  resolved_ = resolve(wishes_);
  read_until_ = now.market + kReadAhead / 4;
}

// --- what it means -------------------------------------------------------------------------------

Changes Ven::orders(const Now& now, const Book& book) {
  if (!listed_) return {};  // nothing is withdrawn for want of knowledge
  Changes out = compare(now.market, wishes_, resolved_, book, withdrawn_);
  withdrawn_.insert(out.cancel.begin(), out.cancel.end());
  return out;
}

MarketTime Ven::next_booking(const Now& now) const {
  return openadr::next_booking(now.market, resolved_);
}

std::optional<Watts> Ven::limit(MarketTime at, Direction direction) const {
  std::optional<Watts> out;
  for (const CapacityLimit& each : limits_) {
    if (each.direction != direction || at < each.from || each.until <= at) continue;
    out = out ? std::min(*out, each.most) : each.most;
  }
  return out;
}

std::optional<Price> Ven::value(MarketTime from, MarketTime until) const {
  return mean_value(values_, from, until);
}

VenView Ven::view(const Now& now) const {
  VenView out;
  out.state = !listed_ ? "starting" : "polling";
  if (!problem_.empty()) out.state = "unreachable";
  out.problem = problem_;
  out.ven_id = ven_id_.value_or("");
  out.resource_id = resource_id_.value_or("");
  out.programs = programs_;
  out.unreadable = unreadable_;
  out.listed = listed_;
  out.server_ahead = skew_;
  out.calls = calls_;
  out.failures = failures_;
  out.reports_sent = reports_sent_;
  out.reports_refused = reports_refused_;
  for (const auto& [id, known] : events_) {
    if (out.events.size() >= kShownMost) break;
    EventView event{.id = id,
                    .name = known.event.name,
                    .program = known.event.program,
                    .priority = known.event.priority,
                    .from = {},
                    .until = {},
                    .state = "refused",
                    .why = known.why,
                    .kinds = kinds_of(known.event),
                    .refused = known.refused,
                    .reports = known.sent};
    if (known.table) {
      event.from = known.table->begins();
      event.until = known.table->ends();
      event.state = now.market < event.from ? "pending" : "active";
      if (event.until <= now.market) event.state = "over";
      if (known.table->cancelled()) event.state = "cancelled";
    }
    out.events.push_back(std::move(event));
  }
  return out;
}

}  // namespace vpp::bidding::openadr
