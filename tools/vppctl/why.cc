#include "tools/vppctl/why.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "config/limits.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

constexpr std::size_t kHeldNamed = 10;  ///< more only in number

Document answer(const Document& node, const Document& told_by) {
  Document out{{"schema", "vppctl/v1"}, {"kind", "why"}};
  for (const char* key : {"id", "name", "role"}) out["node"][key] = member(node, key);
  out["told_by"] = member(told_by, "name");
  out["cause"] = nullptr;
  out["because"] = Document::array();
  out["program"] = nullptr;
  return out;
}

void say(Document& why, std::string sentence) {
  why["because"].push_back(std::move(sentence));
}

/// The first cause that holds is the one.
void cause(Document& why, std::string_view word) {
  if (why["cause"].is_null()) why["cause"] = word;
}

void copy(const Document& from, std::initializer_list<const char*> keys, Document& to) {
  for (const char* key : keys) to[key] = member(from, key);
}

std::string power(const Document& watts) {
  return kilowatts(watts, true);
}

std::string lasting(double seconds) {
  const auto minutes = static_cast<std::int64_t>(std::floor(std::max(0.0, seconds) / 60));
  if (minutes == 0) return fmt::format("{:.0f} s", std::max(0.0, seconds));
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

/// How long a site lasts at full power. Nothing: unknown, or it can do nothing.
std::optional<double> time_to_go(const Document& side) {
  const auto& most = member(side, "power_w");
  const auto& energy = member(side, "energy_wh");
  if (!most.is_number() || !energy.is_number() || most.get<double>() <= 0) return std::nullopt;
  return energy.get<double>() / most.get<double>() * 3600;
}

Document seconds_or_null(std::optional<double> seconds) {
  return seconds ? Document(std::round(*seconds)) : Document();
}

std::string able(const Document& side) {
  const auto lasts = time_to_go(side);
  if (!lasts) return side.is_object() ? "nothing" : "an unknown amount";
  return fmt::format("{} for {} ({})", kilowatts(member(side, "power_w")), lasting(*lasts),
                     kilowatt_hours(member(side, "energy_wh")));
}

void say_able(const Document& of, Document& why) {
  copy(of, {"up", "down"}, why);
  say(why, fmt::format("It can still discharge {}, and charge {}.", able(member(of, "up")),
                       able(member(of, "down"))));
}

// --- a leaf, by itself ---------------------------------------------------------------------------

std::string clamp_in_words(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kWords{{
      {"device rating", "the device is rated for no more"},
      {"device derating", "the device itself takes less than it is rated for, for now"},
      {"configured limit", "its config allows no more"},
      {"connection limit", "its connection takes no more, with the load and PV of now"},
      {"stored energy", "its battery is nearly at the owner's reserve, or nearly full"},
      {"frequency unknown", "the grid's frequency is not known, by which it is to act"},
      {"state of charge unknown", "nobody knows how full its battery is"},
      {"ramp", "it is on its way there, as fast as its config lets it change"},
  }};
  for (const auto& [clamp, words] : kWords) {
    if (name == clamp) return std::string{words};
  }
  return name;
}

void say_told(const Document& told, Document& why) {
  say(why,
      fmt::format("Its parent asks {} of it for order {}, from {} to {} UTC; not renewed, that "
                  "ends in {}.",
                  power(member(told, "power_w")), plain(member(told, "order")),
                  utc(member(told, "from_ms")), utc(member(told, "until_ms")),
                  age(member(told, "expires_in_ms"))));
}

void explain_order(const Document& site, Document& why) {
  const auto& told = member(site, "told");
  const auto& limited = member(site, "limited_by");
  const bool all = told.is_object() && member(told, "power_w") == member(site, "set_point_w");
  if (told.is_object()) say_told(told, why);
  if (const auto& frequency = member(site, "frequency"); member(frequency, "armed") == true) {
    cause(why, "armed");
    const auto& mhz = member(frequency, "measured_mhz");
    return say(why,
               fmt::format(
                   "That is armed: the grid's frequency is {}, which asks for {}; the "
                   "set point is {}.",
                   mhz.is_number() ? fmt::format("{:.3f} Hz", mhz.get<double>() / 1000) : "unknown",
                   power(member(frequency, "asked_w")), power(member(site, "set_point_w"))));
  }
  if (limited.is_string()) {
    cause(why, "clamped");
    say(why, fmt::format("The guard makes {} of it: {}.", power(member(site, "set_point_w")),
                         clamp_in_words(limited.get<std::string>())));
  } else {
    cause(why, "following");
    say(why, fmt::format("{} {}.",
                         all ? "The guard lets all of it through: the set point is"
                             : "The newest set point is",
                         power(member(site, "set_point_w"))));
  }
}

bool plant_is_silent(const Document& uplink) {
  const auto& beacon = member(uplink, "beacon_age_ms");
  constexpr std::int64_t kMost = limits::kBeaconLossMax.count();
  return !beacon.is_number() || beacon.get<std::int64_t>() >= kMost ||
         member(uplink, "path").empty();
}

void say_silence(const Document& uplink, Document& why) {
  cause(why, "plant_not_heard");
  const std::string state = plain(member(uplink, "state"));
  if (!member(uplink, "parent").is_string()) {
    say(why, fmt::format("It has no parent (its uplink is in state \"{}\"), so no order reaches "
                         "it; `vppctl doctor` looks for the cause.",
                         state));
  } else if (member(uplink, "path").empty()) {
    say(why, "Its parent reaches no root, so that nobody gives new orders.");
  } else {
    say(why, fmt::format("Its parent was not heard for {}.", age(member(uplink, "beacon_age_ms"))));
  }
}

void explain_default(const Document& status, const Document& site, Document& why) {
  say(why, "It is on its local default: the device decides by itself, for its owner.");
  const auto& told = member(site, "told");
  const auto& now = member(member(status, "now"), "market_ms");
  const auto& uplink = member(status, "uplink");
  if (member(site, "stale") == true) {
    cause(why, "stale");
    say(why, fmt::format("Its values are too old or unknown ({}), so it promises nothing.",
                         plain(member(site, "limited_by"))));
  }
  if (plant_is_silent(uplink)) say_silence(uplink, why);
  for (const auto& out : member(site, "opted_out")) {
    if (!told.is_object()) cause(why, "opted_out");  // else it is asked for another program
    say(why, fmt::format("Its owner wants no orders of the program {} until {} UTC.",
                         plain(member(out, "program")), utc(member(out, "until_ms"))));
  }
  if (!told.is_object()) {
    cause(why, "no_order");
    say(why,
        "Its parent asks nothing of it: there is no order, others serve it, or it is not "
        "counted yet. The parent knows: ask there.");
    return;
  }
  say_told(told, why);
  if (member(told, "from_ms") > now) {
    cause(why, "order_to_come");
  } else if (member(told, "until_ms") <= now) {
    cause(why, "order_over");
  } else if (member(told, "expires_in_ms") <= 0) {
    cause(why, "order_not_renewed");
    say(why, "That has run out: nothing newer came in time.");
  } else {
    cause(why, "about_to_begin");
  }
}

/// Of a home whose owner follows value signals.
void say_values(const Document& values, Document& why) {
  if (!values.is_object()) return;
  const auto& account = member(values, "account");
  if (const auto& why_not = member(values, "why_not"); why_not.is_string()) {
    say(why, fmt::format("It takes no part in value signals: {}.", why_not.get<std::string>()));
  } else if (!member(values, "head").is_string()) {
    say(why, "No value signal holds that it could follow.");
  }
  if (member(account, "slots") == 0) return;
  say(why, fmt::format("For following value signals it was paid {} so far: its bill is {}, and "
                       "would have been {} on its own.",
                       plain(member(account, "paid")), plain(member(account, "bill")),
                       plain(member(account, "alone"))));
}

void explain_plan(const Document& site, Document& why) {
  const auto& values = member(site, "values");
  cause(why, "planned");
  say(why, fmt::format("No order is in force; it follows its own plan under the value signal of {} "
                       "until {} UTC: the set point is {}.",
                       plain(member(values, "head")), utc(member(values, "until_ms")),
                       power(member(site, "set_point_w"))));
}

void explain_site(const Document& status, Document& why) {
  const auto& site = member(status, "site");
  copy(member(status, "order"), {"program", "group"}, why);
  if (!site.is_object()) {
    cause(why, "no_device");
    return say(why, "Its device has not reported yet.");
  }
  copy(site,
       {"mode", "told", "told_ahead", "opted_out", "set_point_w", "limited_by", "measured_w",
        "reserve_permille"},
       why);
  const std::string mode = plain(member(site, "mode"));
  if (mode == "uncontrollable") {
    cause(why, "uncontrollable");
    say(why, fmt::format("It cannot be controlled: {}. Until it can it promises nothing.",
                         plain(member(site, "limited_by"))));
  } else if (mode == "dispatched") {
    explain_order(site, why);
  } else if (mode == "planned") {
    explain_plan(site, why);
  } else if (mode == "ramping_home") {
    cause(why, "ramping_home");
    say(why, fmt::format("Its order is over: from {} it goes back to its local default, as fast as "
                         "its config lets it change.",
                         power(member(site, "set_point_w"))));
  } else {
    explain_default(status, site, why);
  }
  say_values(member(site, "values"), why);
  say(why, fmt::format("Measured: {}.", power(member(site, "measured_w"))));
  say_able(site, why);
  const auto& reserve = member(site, "reserve_permille");
  if (reserve.is_number()) {
    say(why, fmt::format("{}% of its battery is kept for the owner, and not part of that.",
                         reserve.get<double>() / 10));
  }
}

// --- a node with children, by itself -------------------------------------------------------------

std::string doubt_in_words(const Document& doubt) {
  const std::string reason = plain(member(doubt, "reason"));
  const std::string held = power(member(doubt, "held_w"));
  const std::string since = age(member(doubt, "age_ms"));
  std::string out;
  if (reason == "told") {
    out = fmt::format("it said itself, {} ago, that it can do no more than {}", since, held);
  } else if (reason == "unseen") {
    out =
        fmt::format("no new measurement of it came for long (noticed {} ago), so it is held to {}",
                    since, held);
  } else {
    out = fmt::format(
        "it did not do what it was asked (noticed {} ago), so it is held to the {} "
        "that was measured",
        since, held);
  }
  const bool trial = member(doubt, "on_trial") == true;
  return out + (trial ? ", and asked a little more to see whether it follows" : "");
}

void say_level(const Document& level, Document& why) {
  why["level_s"] = level;
  if (!level.is_number()) return;
  say(why, fmt::format("Who lasts longest serves first: here, who lasts longer than {} at full "
                       "power.",
                       lasting(level.get<double>())));
}

void say_held(const Document& tree, Document& why) {
  why["held"] = Document::array();
  for (const auto& child : member(tree, "children")) {
    const auto& doubt = member(child, "doubt");
    if (!doubt.is_object()) continue;
    Document held = doubt;
    held["name"] = member(child, "name");
    why["held"].push_back(held);
    if (why["held"].size() > kHeldNamed) continue;
    say(why, fmt::format("{}: {}.", plain(member(child, "name")), doubt_in_words(doubt)));
  }
  const std::size_t count = why["held"].size();
  if (count > kHeldNamed) say(why, fmt::format("And {} more are held.", count - kHeldNamed));
}

bool is_zero(const Document& value) {
  return !value.is_number() || value == 0;
}

void explain_group(const Document& status, const Document& tree, Document& why) {
  const auto& order = member(status, "order");
  copy(order, {"program", "group"}, why);
  const auto& uplink = member(status, "uplink");
  why["order"] = order;
  if (!order.is_object()) {
    if (uplink.is_object() && plant_is_silent(uplink)) say_silence(uplink, why);
    cause(why, "no_order");
    say(why, "No order is in force: it asks nothing of anybody.");
    return say_held(tree, why);
  }
  const auto& shortfall = member(order, "shortfall_w");
  const auto& reserved = member(order, "reserved_w");
  say(why, fmt::format("It was asked {} for order {}, and asks {} of its children; measured: {}.",
                       power(member(order, "target_w")), plain(member(order, "id")),
                       power(member(order, "asked_below_w")), power(member(order, "measured_w"))));
  if (!is_zero(shortfall)) {
    cause(why, "short");
    say(why, fmt::format("{} of it cannot be placed: nobody who responds can do more.",
                         power(shortfall)));
  }
  if (!is_zero(reserved)) {
    say(why, fmt::format("{} may still come from sites out of contact, as they were told, and is "
                         "asked of nobody else.",
                         power(reserved)));
  }
  say_level(member(order, "level_s"), why);
  say_held(tree, why);
  cause(why, why["held"].empty() ? "dispatching" : "holding");
}

// --- a child, by its parent ----------------------------------------------------------------------

/// Whether there is more to say than that it is not part of the plant now.
bool is_usable(const Document& child, Document& why) {
  const std::string state = plain(member(child, "state"));
  const std::string heard = age(member(child, "heard_age_ms"));
  if (state == "lost") {
    cause(why, "lost");
    say(why, fmt::format("Its lease has run out; its last report came {} ago. Nothing is asked of "
                         "it, and what it was told before may go on until that expires.",
                         heard));
  } else if (state == "drained") {
    cause(why, "left");
    say(why, "It said goodbye, and is no part of the plant until it comes back.");
  } else if (member(child, "counted") == false) {
    cause(why, "not_counted");
    say(why,
        "It is attached but not counted yet, until it is certain that no other branch of the "
        "tree counts it. Until then nothing is asked of it.");
  } else if (state == "stale") {
    cause(why, "stale");
    say(why, fmt::format("Its values are too old or unknown, as it reports itself; its last report "
                         "came {} ago. Nothing is asked of it.",
                         heard));
  } else {
    return true;
  }
  return false;
}

void explain_share(const Document& child, Document& why) {
  const auto& asked = member(child, "asked_w");
  if (!member(child, "order_asked").is_number()) {
    cause(why, "no_order");
    return say(why, "No order is in force: nothing is asked of it.");
  }
  say(why, fmt::format("It is asked {} for order {}.", power(asked),
                       plain(member(child, "order_asked"))));
  say_level(member(child, "level_s"), why);
  const bool charges = asked.is_number() && asked < 0;
  const auto lasts = time_to_go(member(child, charges ? "down" : "up"));
  const bool leaf = member(child, "role") == "leaf";
  why["time_to_go_s"] = leaf ? seconds_or_null(lasts) : Document();
  if (leaf && lasts) say(why, fmt::format("It lasts {}.", lasting(*lasts)));
  cause(why, is_zero(asked) ? "not_needed" : "serving");
}

void explain_response(const Document& child, Document& why) {
  const auto& following = member(child, "order");
  const auto& set_point = member(child, "set_point_w");
  const bool asked = member(child, "order_asked").is_number();
  if (member(child, "role") == "leaf" && asked) {
    if (following != member(child, "order_asked")) {
      say(why, fmt::format("By its last report it follows {}.",
                           following.is_number() ? "order " + plain(following) : "no order"));
    } else if (set_point != member(child, "asked_w")) {
      say(why, fmt::format("By its last report its set point is {}: its guard allows no more, or "
                           "the newest share is on its way. `vppctl why` at its own socket tells.",
                           power(set_point)));
    }
  }
  if (!is_zero(member(child, "shortfall_w"))) {
    say(why, fmt::format("It could not place {} of what it was asked.",
                         power(member(child, "shortfall_w"))));
  }
  say(why, fmt::format("Measured: {}, as it reported {} ago.", power(member(child, "measured_w")),
                       age(member(child, "heard_age_ms"))));
}

}  // namespace

Document why_self(const Document& status, const Document& tree) {
  const auto& node = member(status, "node");
  Document why = answer(node, node);
  if (member(node, "role") == "leaf") {
    explain_site(status, why);
  } else {
    explain_group(status, tree, why);
  }
  return why;
}

Document why_child(const Document& child, const Document& parent_status) {
  Document why = answer(child, member(parent_status, "node"));
  copy(child,
       {"state", "counted", "order_asked", "asked_w", "order", "set_point_w", "measured_w",
        "shortfall_w", "doubt"},
       why);
  if (!is_usable(child, why)) return why;
  if (const auto& doubt = member(child, "doubt"); doubt.is_object()) {
    cause(why, "doubted");
    say(why, fmt::format("Its parent doubts it: {}.", doubt_in_words(doubt)));
  }
  explain_share(child, why);
  explain_response(child, why);
  if (member(child, "role") == "leaf") say_able(child, why);
  return why;
}

std::string why_text(const Document& why) {
  const auto& node = member(why, "node");
  const bool itself = member(node, "name") == member(why, "told_by");
  std::string out =
      fmt::format("{} ({}), by {}: {}\n", plain(member(node, "name")), plain(member(node, "role")),
                  itself ? "itself" : "its parent " + plain(member(why, "told_by")),
                  plain(member(why, "cause")));
  for (const auto& sentence : member(why, "because")) {
    out += "  " + sentence.get<std::string>() + "\n";
  }
  return out;
}

}  // namespace vpp::ctl
