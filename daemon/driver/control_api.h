// The routes of docs/control-api.md: requests in, questions to the node, documents out.
#pragma once

#include <functional>
#include <string>

#include "bidding/linear_program.h"
#include "config/ids.h"
#include "daemon/driver/http_server.h"
#include "daemon/driver/node_queue.h"

namespace vpp::driver {

struct ControlOptions {
  Role role = Role::kLeaf;
  std::string config_file;
  std::string config_toml;  ///< effective, without secrets
  std::function<std::int64_t()> utc_ms;
  bidding::MakeLinearProgram* solver = nullptr;  ///< decides once more on reserve
};

/// Runs on the HTTP thread. TCP gets /healthz and /metrics only.
class ControlApi {
 public:
  ControlApi(ControlOptions options, NodeQueue& queue);

  void handle(const HttpRequest& request, const HttpServer::Respond& respond) const;

 private:
  using Respond = HttpServer::Respond;

  void get(const HttpRequest& request, const Respond& respond) const;
  void post(const HttpRequest& request, const Respond& respond) const;
  void get_root_only(const std::string& path, const Respond& respond) const;
  void get_bid(const std::string& key, const Respond& respond) const;
  void submit_bid(const std::string& body, const Respond& respond) const;
  void change_bid(std::variant<node::SubmitBid, node::WithdrawBid> what,
                  const Respond& respond) const;
  void replay(const HttpRequest& request, const Respond& respond) const;
  void load_forecast(const Respond& respond) const;
  void events(const HttpRequest& request, const Respond& respond) const;
  void send_order(const std::string& body, const Respond& respond) const;
  void opt_out(const std::string& body, const Respond& respond) const;
  void drain(const std::string& body, const Respond& respond) const;
  void retry_task(const std::string& id, const Respond& respond) const;
  void cancel_order(const std::string& id, const Respond& respond) const;
  void command(NodeQuestion question, const Respond& respond) const;
  void ask(NodeQuestion question, const Respond& respond) const;
  void ask_snapshot(std::function<HttpResponse(const Snapshot&)> render,
                    const Respond& respond) const;

  ControlOptions options_;
  NodeQueue& queue_;
};

}  // namespace vpp::driver
