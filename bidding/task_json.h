// Tasks, what workers say, and what they are asked, as JSON text: docs/workers.md.
//
// Additive: unknown fields are ignored on reading, known ones must be there and of the right type.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "bidding/advice_task.h"
#include "bidding/forecast_task.h"
#include "bidding/task_queue.h"
#include "bidding/worker_messages.h"

namespace vpp::bidding {

/// Canonical: the same question has the same text.
[[nodiscard]] std::string to_json(const ForecastAsk& ask);
[[nodiscard]] std::string to_json(const ForecastAnswer& answer);
[[nodiscard]] std::string to_json(const AdviceAsk& ask);
[[nodiscard]] std::string to_json(const AdviceAnswer& answer);
[[nodiscard]] std::string to_json(const Task& task);
[[nodiscard]] std::string to_json(const ToWorker& message);

// Errors: what is wrong with the text.
[[nodiscard]] std::expected<ForecastAsk, std::string> forecast_ask_from_json(std::string_view text);
/// Checked as well.
[[nodiscard]] std::expected<ForecastAnswer, std::string> forecast_answer_from_json(
    std::string_view text);
[[nodiscard]] std::expected<AdviceAsk, std::string> advice_ask_from_json(std::string_view text);
/// Checked as well.
[[nodiscard]] std::expected<AdviceAnswer, std::string> advice_answer_from_json(
    std::string_view text, const AdviceAsk& ask);
[[nodiscard]] std::expected<Task, std::string> task_from_json(std::string_view text);

/// Whatever comes from outside: what cannot be read is WorkerUnread.
[[nodiscard]] FromWorker from_worker_json(std::string_view text);

}  // namespace vpp::bidding
