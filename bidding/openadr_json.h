// OpenADR 3 objects as JSON, both ways, for 3.1 and 3.0.1.
//
// Lenient    unknown fields are ignored, and null is as good as absent. An object of a list that
//            cannot be read is left out and said, so that one bad event does not hide the others.
// Limits     texts of kTextBytesMax, kIntervalsMax intervals and kValuesMax values; numbers up to
//            nine million millions.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "bidding/openadr.h"

namespace vpp::bidding::openadr {

template <class T>
using Decoded = std::expected<T, std::string>;

struct Grant {
  std::string token;
  std::optional<Duration> lasts;
};

[[nodiscard]] Decoded<std::string> decode_token_url(std::string_view body);
[[nodiscard]] Decoded<Grant> decode_grant(std::string_view body);
[[nodiscard]] Decoded<Programs> decode_programs(std::string_view body);
[[nodiscard]] Decoded<Events> decode_events(std::string_view body);
[[nodiscard]] Decoded<ReportNames> decode_report_names(std::string_view body);
/// The id of an object.
[[nodiscard]] Decoded<std::string> decode_id(std::string_view body);
/// Of the one in a list whose `key` is `name`; empty: none is.
[[nodiscard]] Decoded<std::string> decode_id_of(std::string_view body, const char* key,
                                                std::string_view name);
/// What a `problem` says, one line, or else the begin of the body.
[[nodiscard]] std::string decode_problem(std::string_view body);

[[nodiscard]] std::string encode(Version version, const RegisterVen& call);
[[nodiscard]] std::string encode(Version version, const RegisterResource& call);
[[nodiscard]] std::string encode(Version version, const Report& report);

}  // namespace vpp::bidding::openadr
