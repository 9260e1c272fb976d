// The client: what to ask the server next, and what its programs and events mean for the plant.
// Pure.
//
// Calls      one at a time, in this order: where tokens are, a token, its VEN, its resource, then
// in
//            turn all pages of programs and of events, and reports that are due. A token is renewed
//            after four fifths of its time, and at once when the server does not take it.
// Failures   are repeated after a second, then twice as long each time up to five minutes, with
//            jitter; longer if the server says so. What was known goes on being obeyed.
// Changes    count once a listing is complete. An event that is gone from a listing of several
//            pages is looked for once more: pages shift when something before them is deleted.
// Clock      a server whose Date is more than kSkewSaid off is told of; from kSkewObeyed on the
//            times of its events are taken by its own clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bidding/openadr.h"
#include "bidding/openadr_intervals.h"
#include "bidding/openadr_meaning.h"
#include "bidding/openadr_orders.h"
#include "bidding/openadr_reports.h"
#include "config/rng.h"
#include "config/time.h"

namespace vpp::bidding::openadr {

struct VenOptions {
  std::string ven_name = {};
  Version version = Version::k31;
  bool credentials = true;                 ///< else it calls without a token
  std::vector<std::string> programs = {};  ///< names; empty: all that the server shows
  std::vector<Rule> rules = {};
  Duration poll{std::chrono::seconds{60}};  ///< protocol time
  bool compare_clock = true;                ///< market time is the world's
};

struct VenNotice {
  bool warning = false;
  std::string code;
  std::string text;
};

struct VenEffects {
  std::vector<Call> calls;
  std::vector<VenNotice> notices;
};

/// What became of an event, for people.
struct EventView {
  std::string id;
  std::string name;
  std::string program;
  std::optional<std::int64_t> priority;
  MarketTime from{};
  MarketTime until{};
  std::string state;               ///< "pending", "active", "over", "cancelled", "refused"
  std::string why;                 ///< refused as a whole
  std::vector<std::string> kinds;  ///< of payloads
  std::map<std::string, std::string> refused;  ///< kind -> why
  std::size_t reports = 0;                     ///< sent
};

struct VenView {
  std::string state;    ///< "starting", "polling", "unreachable"
  std::string problem;  ///< of the newest call; empty: it went well
  std::string ven_id;
  std::string resource_id;
  std::vector<Program> programs;
  std::vector<EventView> events;
  std::vector<std::string> unreadable;
  std::optional<MarketTime> listed;      ///< when the newest listing was complete
  std::optional<Duration> server_ahead;  ///< its clock less ours
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::uint64_t reports_sent = 0;
  std::uint64_t reports_refused = 0;
};

class Ven {
 public:
  static constexpr Duration kSkewSaid = std::chrono::seconds{5};
  static constexpr Duration kSkewObeyed = std::chrono::seconds{30};
  static constexpr Duration kRetryLeast = std::chrono::seconds{1};
  static constexpr Duration kRetryMost = std::chrono::minutes{5};
  static constexpr Duration kRetryAfterMost = std::chrono::hours{1};

  using Book = std::map<OrderId, aggregation::Order>;

  Ven(VenOptions options, Rng rng);

  /// `book`: orders that say when events that start now were first seen.
  void answered(const Now& now, const Answer& answer, const Book& book);
  /// Fires what is due.
  void advance(const Now& now);
  [[nodiscard]] Instant next_deadline(const Now& now) const;
  [[nodiscard]] VenEffects take_effects();

  void measured(const Sample& sample) { history_.add(sample); }
  void set_baseline(BaselineSource source) { baseline_ = std::move(source); }
  void set_abilities(const Abilities& abilities) { abilities_ = abilities; }

  /// What to book and what to withdraw now; the owner does it.
  [[nodiscard]] Changes orders(const Now& now, const Book& book);
  /// When orders() may have something new to say without any answer.
  [[nodiscard]] MarketTime next_booking(const Now& now) const;
  /// What holds at a moment; nothing: no such limit.
  [[nodiscard]] std::optional<Watts> limit(MarketTime at, Direction direction) const;
  /// The mean of the prices that hold in [from, until), as far as they are told: mean_value().
  [[nodiscard]] std::optional<Price> value(MarketTime from, MarketTime until) const;

  [[nodiscard]] VenView view(const Now& now) const;

 private:
  struct Known {
    Event event;
    MarketTime seen{};
    Duration shift{0};
    std::optional<Timetable> table;
    std::string why;                             ///< without a table
    std::map<std::string, std::string> refused;  ///< of its payloads
    std::set<std::string> told;                  ///< alerts, so that they are said once
    std::vector<std::int64_t> next_report;       ///< by descriptor; -1: no more
    bool reports_known = false;                  ///< which of them the server already has
    std::size_t sent = 0;
  };
  struct DueReport {
    std::string event;
    std::size_t descriptor = 0;
    Occurrence occurrence;
  };

  void on(const Now& now, const Answer& answer, const Refused& refused);
  void on(const Now& now, const TokenUrl& url);
  void on(const Now& now, const TokenGiven& token);
  void on(const Call& call, const ObjectFound& found);
  void on(const Programs& page);
  void on(const Now& now, const Events& page, const Book& book);
  void on(const Call& call, const ReportNames& page);
  void note_clock(const Now& now, const Answer& answer);
  void failed(const Now& now, const Answer& answer, const Refused& refused);
  [[nodiscard]] bool is_final(const Call& call, long status);

  [[nodiscard]] std::optional<Call> due_call(const Now& now) const;
  [[nodiscard]] std::optional<DueReport> due_report() const;
  [[nodiscard]] bool wants(const Event& event) const;
  void listed(const Now& now, const Book& book);
  void learn(const Now& now, const Event& event, const Book& book);
  void place(Known& known);
  void skip_reports(Known& known, const Now& now);
  void read_all(const Now& now);
  [[nodiscard]] const Program* program_of(const Event& event) const;
  void say(bool warning, std::string code, std::string text);

  VenOptions options_;
  Rng rng_;
  History history_;
  Abilities abilities_;
  BaselineSource baseline_;

  std::optional<Call> out_;
  Instant retry_at_{};
  Duration retry_{0};
  Instant poll_at_{};
  std::optional<Instant> token_until_;
  std::optional<std::string> token_url_;
  bool refused_token_ = false;  ///< and the one before it was not used yet
  std::optional<std::string> ven_id_;
  bool find_ven_ = false;
  std::optional<std::string> resource_id_;
  bool find_resource_ = false;
  bool outage_ = false;

  bool listing_programs_ = true;
  std::vector<Program> programs_coming_;
  std::vector<Event> events_coming_;
  std::vector<std::string> unreadable_coming_;
  std::size_t skip_ = 0;
  bool look_again_ = false;

  std::vector<Program> programs_;
  std::map<std::string, Known> events_;
  std::vector<std::string> unreadable_;
  std::optional<MarketTime> listed_;
  std::optional<Duration> skew_;
  Duration skew_obeyed_{0};
  std::vector<Wish> wishes_;
  std::vector<Wish> resolved_;
  std::vector<ValueSlot> values_;
  std::vector<CapacityLimit> limits_;
  MarketTime read_until_ = MarketTime::min();
  std::set<OrderId> withdrawn_;

  std::string problem_;
  std::uint64_t calls_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t reports_sent_ = 0;
  std::uint64_t reports_refused_ = 0;
  VenEffects effects_;
};

}  // namespace vpp::bidding::openadr
