#include "daemon/driver/runtime.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "bidding/market_loader.h"
#include "config/check.h"
#include "config/role_config_toml.h"
#include "daemon/driver/call_thread.h"
#include "daemon/driver/clock.h"
#include "daemon/driver/control_api.h"
#include "daemon/driver/descriptor.h"
#include "daemon/driver/device_loop.h"
#include "daemon/driver/durability.h"
#include "daemon/driver/etcd_client.h"
#include "daemon/driver/event_ring.h"
#include "daemon/driver/http_server.h"
#include "daemon/driver/identity.h"
#include "daemon/driver/log.h"
#include "daemon/driver/market_thread.h"
#include "daemon/driver/node_queue.h"
#include "daemon/driver/parts_of_config.h"
#include "daemon/driver/signals.h"
#include "daemon/driver/sink.h"
#include "daemon/driver/store.h"
#include "daemon/driver/supervisor.h"
#include "daemon/driver/worker_hub.h"
#include "daemon/node/node.h"
#include "mesh/zmq_transport.h"

namespace vpp::driver {
namespace {

using node::Severity;

constexpr Duration kStoreRetry = std::chrono::seconds{1};
constexpr Duration kMachineLook = std::chrono::seconds{1};
constexpr Duration kHousekeeping = std::chrono::minutes{1};
constexpr Duration kCompactEvery = std::chrono::hours{1};  ///< it reads the whole store
constexpr int kStoreCompactPermille = 500;
constexpr Duration kWaitMax = std::chrono::seconds{1};
/// A deadline that is due again right after it was served must not spin the loop.
constexpr Duration kWaitMin{1};

Rng seeded() {
  std::uint64_t seed = 0;
  VPP_CHECK(::getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return Rng{seed};
}

node::Event to_event(mesh::TransportEvent event) {
  return std::visit([](auto& each) { return node::Event{std::move(each)}; }, event);
}

}  // namespace

class Runtime::Impl {
 public:
  explicit Impl(const RuntimeOptions& options)
      : options_{options},
        role_{role_of(options.config)},
        clock_{options.config.time},
        started_{Clock::protocol()},
        sink_{ring_, [this] {
                if (http_) http_->events_added();
              }} {}

  std::expected<void, std::string> open() {
    const RoleConfig& config = options_.config;
    auto identity = load_identity(config.identity, role_, config.region, Clock::utc_ms());
    if (!identity) return std::unexpected{identity.error()};
    auto store = Store::open({.dir = config.state_dir,
                              .map_bytes = role_ == Role::kRoot ? kStoreBytesRoot : kStoreBytesNode,
                              .prices_kept = prices_kept(bidding_options(config))});
    if (!store) return std::unexpected{store.error()};
    store_ = *std::move(store);
    if (auto compacted = store_->compact(); !compacted) return compacted;
    const auto recovered = store_->load();
    if (!recovered) return std::unexpected{recovered.error()};
    if (auto opened = open_transport(*identity); !opened) return opened;
    if (auto opened = open_market(); !opened) return opened;
    if (auto opened = open_openadr(); !opened) return opened;
    if (auto opened = open_workers(); !opened) return opened;
    if (auto opened = open_etcd(); !opened) return opened;
    if (auto opened = open_http(); !opened) return opened;
    cert_not_before_ms_ = identity->cert.not_before_ms;
    cert_not_after_ms_ = identity->cert.not_after_ms;
    const Now now = clock_.now();
    node::NodeOptions options = node_options(config, *identity);
    options.bidding.solver = solver_;
    auto zone = baseline_zone(config);
    if (!zone) return std::unexpected{zone.error()};
    options.zone = *std::move(zone);
    node_.emplace(std::move(options), seeded(), now, *recovered);
    open_device(now, recovered->site);
    signals_.emplace([this] {
      stop_asked_ = true;
      transport_->wake();
    });
    return {};
  }

  int run() {
    carry_out(clock_.now(), node_->take_effects());
    say_ready();
    while (!stopped_ && !failed_) turn();
    leave();
    return failed_ ? 1 : 0;
  }

  [[nodiscard]] bool thread_left_behind() const { return left_behind_; }

 private:
  // --- opening ---------------------------------------------------------------------------------

  std::expected<void, std::string> open_transport(const Identity& identity) {
    mesh::TransportOptions options;
    options.keys = identity.keys;
    options.fleet = identity.fleet;
    if (const ListenConfig* listen = listen_of(options_.config)) options.listen = listen->address;
    if (link_of(options_.config).value_or(LinkKind::kLan) != LinkKind::kLan) {
      options.heartbeat = Duration{0};
    }
    options.utc_ms = [this] { return clock_.steady_utc_ms(); };
    options.warn = [this](std::string_view text) {
      notice(Severity::kWarning, "VPP_WIRE", std::string{text});
    };
    auto transport = mesh::ZmqTransport::open(std::move(options));
    if (!transport) return std::unexpected{transport.error()};
    transport_ = *std::move(transport);
    return {};
  }

  std::expected<void, std::string> open_market() {
    const auto* root = std::get_if<RootConfig>(&options_.config.of_role);
    if (root == nullptr || !root->market) return {};
    auto adapter = bidding::load_market(market_module(), *root->market);
    if (!adapter) return std::unexpected{adapter.error()};
    market_.emplace(*std::move(adapter), [this] { transport_->wake(); });
    market_vitals_.emplace();
    firm_permille_ = root->market->firm_permille;
    if (!root->market->reserve) return {};
    const auto solver = bidding::load_solver(solver_module());
    if (!solver) return std::unexpected{solver.error()};
    solver_ = *solver;
    return {};
  }

  std::expected<void, std::string> open_openadr() {
    const auto* root = std::get_if<RootConfig>(&options_.config.of_role);
    if (root == nullptr || !root->openadr) return {};
    const auto options = vtn_options(*root->openadr);
    if (!options) return std::unexpected{options.error()};
    auto vtn = bidding::load_vtn(market_module(), *options);
    if (!vtn) return std::unexpected{vtn.error()};
    vtn_.emplace(*std::move(vtn), [this] { transport_->wake(); });
    return {};
  }

  std::expected<void, std::string> open_workers() {
    const auto* root = std::get_if<RootConfig>(&options_.config.of_role);
    if (root == nullptr || !asks_workers(*root)) return {};
    auto hub = WorkerHub::open(*root, [this] { transport_->wake(); });
    if (!hub) return std::unexpected{hub.error()};
    workers_ = *std::move(hub);
    return {};
  }

  std::expected<void, std::string> open_etcd() {
    const auto* root = std::get_if<RootConfig>(&options_.config.of_role);
    if (root == nullptr || !root->etcd) return {};
    std::vector<std::unique_ptr<bidding::HttpPoster>> members;
    for (const std::string& endpoint : root->etcd->endpoints) {
      auto member = bidding::load_poster(market_module(), endpoint, EtcdClient::kTimeoutMs);
      if (!member) return std::unexpected{member.error()};
      members.push_back(*std::move(member));
    }
    auto client = std::make_shared<EtcdClient>(EtcdOptions{root->etcd->key, options_.config.name},
                                               std::move(members));
    etcd_.emplace([client](const node::LeaseAsk& ask) { return client->carry_out(ask); },
                  [](const node::LeaseAsk& ask) {
                    return node::LeaseAnswered{ask.id, node::LeaseFailed{"too many asks wait"}};
                  },
                  [this] { transport_->wake(); });
    return {};
  }

  std::expected<void, std::string> open_http() {
    HttpOptions options;
    options.socket = control_socket(options_.config);
    if (const auto& http = options_.config.http) {
      options.tcp_host = http->host;
      options.tcp_port = http->port;
    }
    api_.emplace(ControlOptions{.role = role_,
                                .config_file = options_.config_file,
                                .config_toml = to_toml(options_.config),
                                .utc_ms = [] { return Clock::utc_ms(); },
                                .solver = solver_},
                 queue_);
    auto server = HttpServer::open(
        std::move(options),
        [this](const HttpRequest& request, const HttpServer::Respond& respond) {
          api_->handle(request, respond);
        },
        ring_);
    if (!server) return std::unexpected{server.error()};
    http_ = *std::move(server);
    return {};
  }

  void open_device(const Now& now, const node::SiteAccounts& recovered) {
    const auto* leaf = std::get_if<LeafConfig>(&options_.config.of_role);
    if (leaf == nullptr) return;
    device_.emplace(
        DeviceLoopOptions{.limits = site_limits(*leaf),
                          .accounts = recovered.accounts,
                          .poll = leaf->device.poll,
                          .frequency_poll = leaf->frequency.poll},
        make_driver(*leaf), now, [] { return Clock::protocol(); }, [this] { transport_->wake(); });
  }

  void say_ready() {
    const RoleConfig& config = options_.config;
    const std::string listen = transport_->bound_address();
    const std::string http = http_->tcp_address();
    const std::string line = "role=" + std::string{to_string(role_)} + " name=" + config.name +
                             " id=" + to_string(node_->status(clock_.now()).self) +
                             " listen=" + (listen.empty() ? "-" : listen) +
                             " control=" + control_socket(config).string() +
                             " http=" + (http.empty() ? "-" : http) +
                             " pid=" + std::to_string(::getpid());
    log::info("READY " + line);
    supervisor_.ready(line);
  }

  // --- the loop --------------------------------------------------------------------------------

  void turn() {
    const Now before = clock_.now();
    supervisor_.alive(before.protocol);
    events_.clear();
    transport_->wait(patience(before), events_);
    const Now now = clock_.now();
    for (mesh::TransportEvent& event : events_) step(now, to_event(std::move(event)));
    take_device(now);
    take_market(now);
    if (vtn_) {
      for (auto& answer : vtn_->take_answers()) step(now, node::OpenAdrAnswered{std::move(answer)});
    }
    if (workers_) {
      for (auto& said : workers_->take()) step(now, std::move(said));
    }
    if (etcd_) {
      for (auto& answer : etcd_->take_answers()) step(now, std::move(answer));
    }
    take_questions(now);
    if (stop_asked_.exchange(false)) {
      supervisor_.stopping();
      log::info("asked to stop: draining");
      step(now, node::StopAsked{});
    }
    if (stopped_) return;
    node_->advance(now);
    carry_out(now, node_->take_effects());
    if (!durability_.pending().empty() && now.protocol >= store_retry_at_) write_pending(now);
    if (now.protocol >= machine_look_at_) look_at_machine(now);
    if (now.protocol >= housekeeping_at_) keep_house(now);
  }

  [[nodiscard]] Duration patience(const Now& now) const {
    if (!held_answers_.empty()) return kWaitMin;
    const Instant deadline = std::min(node_->next_deadline(now), housekeeping_at_);
    const Duration most = std::min(kWaitMax, supervisor_.interval());
    if (deadline <= now.protocol) return kWaitMin;
    return std::min(deadline - now.protocol, most);
  }

  void step(const Now& now, const node::Event& event) {
    if (stopped_) return;
    node_->step(now, event);
    carry_out(now, node_->take_effects());
  }

  void take_device(const Now& now) {
    if (!device_) return;
    auto report = device_->take_report();
    if (!report) return;
    const bool was_connected = device_vitals_ && device_vitals_->connected;
    const bool first = !device_vitals_;
    note_meter(*report);
    device_vitals_ = Vitals::Device{report->connected, report->problem, report->meter_problem};
    if (report->connected && !was_connected) {
      notice(Severity::kInfo, "VPP_DEVICE_CONNECTED", "the device answers");
    } else if (!report->connected && (was_connected || first)) {
      notice(Severity::kError, "VPP_DEVICE_UNREACHABLE", report->problem);
    }
    step(now, node::SiteReported{std::move(report->status)});
  }

  /// Of a device that is gone there is more to say than that.
  void note_meter(const DeviceReport& report) {
    if (!report.connected) return;
    const bool was_known = meter_problem_.empty();
    meter_problem_ = report.meter_problem;
    if (was_known && !meter_problem_.empty()) {
      notice(Severity::kWarning, "VPP_METER_UNKNOWN", meter_problem_);
    } else if (!was_known && meter_problem_.empty()) {
      notice(Severity::kInfo, "VPP_METER_KNOWN", "the meter tells the site's power again");
    }
  }

  void take_market(const Now& now) {
    for (auto& answer : std::exchange(held_answers_, {})) {
      step(now, node::MarketAnswered{std::move(answer)});
    }
    if (!market_) return;
    for (auto& answer : market_->take_answers()) {
      note_market(answer);
      step(now, node::MarketAnswered{std::move(answer)});
    }
  }

  void note_market(const bidding::MarketAnswer& answer) {
    const auto* failed = std::get_if<bidding::CallFailed>(&answer);
    const std::string problem = failed != nullptr ? failed->why : std::string{};
    ++market_vitals_->calls;
    if (failed != nullptr) ++market_vitals_->failures;
    if (!problem.empty() && market_vitals_->problem.empty()) {
      notice(Severity::kError, "VPP_MARKET_UNREACHABLE", problem);
    } else if (problem.empty() && !market_vitals_->problem.empty()) {
      notice(Severity::kInfo, "VPP_MARKET_REACHABLE", "the market answers again");
    }
    market_vitals_->problem = problem;
  }

  // --- operators -------------------------------------------------------------------------------

  void take_questions(const Now& now) {
    std::shared_ptr<const Snapshot> shared;  // one picture for all that only look
    for (NodeQuestion& question : queue_.take()) {
      NodeAnswer answer;
      const auto* send = std::get_if<node::SendOrder>(&question.what);
      const auto* cancel = std::get_if<node::CancelOrder>(&question.what);
      if (send != nullptr || cancel != nullptr) {
        answer.reply = send != nullptr ? send_order(now, *send) : command(now, *cancel);
        shared.reset();
        if (!answer.reply) {  // other roots must hold it first
          waiting_.emplace(asked_, std::move(question.answer));
          continue;
        }
      } else if (const auto* bid = std::get_if<node::SubmitBid>(&question.what)) {
        answer.reply = command(now, *bid);
        shared.reset();
      } else if (const auto* withdraw = std::get_if<node::WithdrawBid>(&question.what)) {
        answer.reply = command(now, *withdraw);
        shared.reset();
      } else if (const auto* drain = std::get_if<AskDrain>(&question.what)) {
        answer.reply = ask(now, node::DrainAsked{++requests_, drain->on});
        shared.reset();
      } else if (const auto* opt = std::get_if<AskOptOut>(&question.what)) {
        answer.reply = ask(now, node::OptOutAsked{++requests_, opt->what.out, opt->what.program,
                                                  opt->what.duration});
        shared.reset();
      } else if (const auto* retry = std::get_if<AskRetry>(&question.what)) {
        answer.reply = ask(now, node::TaskRetryAsked{++requests_, retry->task});
        shared.reset();
      } else if (const auto* trace = std::get_if<AskTrace>(&question.what)) {
        answer.facts = node_->trace(trace->bid_key);
      } else if (std::holds_alternative<AskFacts>(question.what)) {
        answer.facts = node_->facts();
      }
      if (!shared) shared = std::make_shared<const Snapshot>(snapshot(now));
      answer.snapshot = shared;
      question.answer(std::move(answer));
    }
  }

  /// What is refused because it cannot be made durable must not begin later, nor push the order in
  /// force aside: so the store is tried before, and the order taken back if it fails after all.
  std::optional<node::Reply> send_order(const Now& now, const node::SendOrder& order) {
    if (durability_.pending().empty()) {
      if (auto tried = store_->try_write(); !tried) {
        notice(Severity::kError, "VPP_STORE_FULL", tried.error() + "; an order is refused");
        return node::Reply{0, std::nullopt, "no order can be made durable: " + tried.error()};
      }
    } else {
      return node::Reply{0, std::nullopt, "no order can be made durable: " + store_problem_};
    }
    auto reply = command(now, order);
    if (durability_.pending().empty()) return reply;
    if (!reply) reply = node::Reply{asked_, std::nullopt, "no order can be made durable"};
    for (const aggregation::Order& each : node_->status(now).orders) {
      if (each.key == order.key) (void)command(now, node::CancelOrder{each.id});
    }
    return reply;
  }

  /// Nothing: the reply comes later.
  template <class Command>
  std::optional<node::Reply> command(const Now& now, Command what) {
    return ask(now, node::OperatorAsked{++requests_, std::move(what)});
  }

  /// The node's answer to a question, when it comes in the very step.
  template <class Question>
  std::optional<node::Reply> ask(const Now& now, Question question) {
    asked_ = question.request;
    reply_.reset();
    step(now, std::move(question));
    return std::exchange(reply_, std::nullopt);
  }

  [[nodiscard]] Snapshot snapshot(const Now& now) {
    Snapshot out{node_->status(now), {}};
    hide_moved(out.status);
    out.vitals.pid = ::getpid();
    out.vitals.uptime = now.protocol - started_;
    out.vitals.utc_ms = Clock::utc_ms();
    out.vitals.store = store_use_;
    out.vitals.store_problem = store_problem_;
    out.vitals.descriptors = descriptors_;
    out.vitals.clock_step = clock_.step();
    out.vitals.wire = transport_->counters();
    out.vitals.other_version = transport_->other_version();
    out.vitals.device = device_vitals_;
    out.vitals.market = market_vitals_;
    out.vitals.firm_permille = firm_permille_;
    if (const auto* leaf = std::get_if<LeafConfig>(&options_.config.of_role)) {
      out.vitals.reserve_permille = leaf->site.reserve_permille;
    }
    out.vitals.cert_not_before_ms = cert_not_before_ms_;
    out.vitals.cert_not_after_ms = cert_not_after_ms_;
    out.vitals.requests_dropped = queue_.dropped();
    out.vitals.queue_full = queue_.dropped() > dropped_before_;
    out.vitals.notices = sink_.counts();
    return out;
  }

  // --- effects ---------------------------------------------------------------------------------

  /// In field order: what must be durable comes before what is sent because of it.
  void carry_out(const Now& now, node::Effects effects) {
    if (!effects.persist.empty()) {
      durability_.add(std::move(effects.persist));
      write_pending(now);
    }
    for (auto& answer : durability_.hold_back(effects)) held_answers_.push_back(std::move(answer));
    for (const mesh::LinkId link : effects.close) transport_->close_link(link);
    for (const mesh::OpenLink& each : effects.open) {
      transport_->open_link(each.link, each.to, each.patience);
    }
    if (effects.site && device_) device_->instruct(node_->corrected(now), *effects.site);
    if (effects.plan && device_) device_->plan(node_->corrected(now), *effects.plan);
    for (const mesh::SendUp& each : effects.up) transport_->send_up(each.link, each.message);
    for (const mesh::SendDown& each : effects.down) {
      transport_->send_down(each.connection, each.message);
    }
    for (const mesh::ConnectionId connection : effects.drop) transport_->drop(connection);
    for (const node::LeaseAsk& ask : effects.lease) {
      if (etcd_) etcd_->call(ask);
    }
    for (bidding::MarketCall& call : effects.market) {
      if (market_) market_->call(std::move(call), effects.market_until);
    }
    for (bidding::openadr::Call& call : effects.openadr) {
      if (vtn_) vtn_->call(std::move(call), effects.market_until);
    }
    for (node::TellWorker& each : effects.workers) {
      if (workers_) workers_->tell(std::move(each));
    }
    for (node::Reply& reply : effects.replies) hand_out(now, std::move(reply));
    for (const node::Notice& each : effects.notices) {
      sink_.take(now, Clock::utc_ms(), each);
    }
    if (effects.plant_heard && device_) device_->plant_heard(node_->corrected(now));
    if (effects.stopped) stopped_ = true;
  }

  void hand_out(const Now& now, node::Reply reply) {
    const auto waiting = waiting_.extract(reply.request);
    if (waiting.empty()) {
      if (reply.request == asked_) reply_ = std::move(reply);
      return;
    }
    NodeAnswer answer;
    answer.snapshot = std::make_shared<const Snapshot>(snapshot(now));
    answer.reply = std::move(reply);
    waiting.mapped()(std::move(answer));
  }

  void write_pending(const Now& now) {
    store_retry_at_ = now.protocol + kStoreRetry;
    const auto written = store_->persist(durability_.pending());
    if (written) {
      durability_.written();
      if (!std::exchange(store_problem_, {}).empty()) {
        notice(Severity::kInfo, "VPP_STORE_OK", "state is durable again");
      }
      check_store();
      return;
    }
    if (store_problem_ != written.error()) {
      notice(Severity::kError, "VPP_STORE_FULL",
             written.error() + "; nothing that depends on it is sent");
    }
    store_problem_ = written.error();
    if (durability_.pending().size() > Durability::kPendingMax) {
      notice(Severity::kError, "VPP_STORE_FULL", "too much state is not durable: stopping");
      failed_ = true;
    }
  }

  void check_store() {
    store_use_ = store_->use();
    const bool low = store_use_.permille() >= kStoreAlarmPermille;
    if (low && !store_low_) {
      notice(Severity::kError, "VPP_STORE_LOW",
             std::to_string(store_use_.permille() / 10) + " % of the store are used");
    }
    store_low_ = low;
  }

  void notice(Severity severity, std::string code, std::string text) {
    sink_.take(clock_.now(), Clock::utc_ms(), {severity, std::move(code), std::move(text)});
  }

  /// What else the machine does to us: tells when it begins; health tells while it lasts.
  void look_at_machine(const Now& now) {
    machine_look_at_ = now.protocol + kMachineLook;
    descriptors_ = descriptor_use();
    const bool none_left = descriptors_.used >= descriptors_.limit;
    if (!std::exchange(descriptors_gone_, none_left) && none_left) {
      notice(Severity::kError, "VPP_DESCRIPTORS_LOW",
             "no file descriptor of " + std::to_string(descriptors_.limit) +
                 " is free: new children wait");
    }
    const auto step = clock_.step();
    if (!std::exchange(stepped_, step.has_value()) && step) {
      notice(Severity::kWarning, "VPP_CLOCK_STEPPED",
             "the wall clock stepped by " + std::to_string(step->count() / 1000) + " s");
    }
  }

  void keep_house(const Now& now) {
    housekeeping_at_ = now.protocol + kHousekeeping;
    store_->check_readers();
    check_store();
    if (store_use_.permille() >= kStoreCompactPermille && now.protocol >= compact_at_) {
      compact_at_ = now.protocol + kCompactEvery;
      if (auto compacted = store_->compact(); !compacted) {
        notice(Severity::kError, "VPP_STORE_DAMAGED", compacted.error());
      }
      check_store();
    }
    dropped_before_ = queue_.dropped();
  }

  /// The device first: power matters more than good manners.
  void leave() {
    if (device_ && !device_->stop()) {
      left_behind_ = true;
      log::error(
          "VPP_DEVICE_RELEASE_FAILED: the device did not take its release in time; its own "
          "revert timer ends the set point");
    }
    if (market_ && !market_->stop()) left_behind_ = true;
    if (vtn_ && !vtn_->stop()) left_behind_ = true;
    if (workers_ && !workers_->stop()) left_behind_ = true;
    // The key is given back, so that nobody has to wait for it.
    if (etcd_ && !etcd_->stop(true)) left_behind_ = true;
    http_.reset();
    signals_.reset();  // it wakes the transport
    transport_.reset();
    if (!durability_.pending().empty()) (void)store_->persist(durability_.pending());
    log::info("stopped");
  }

  const RuntimeOptions options_;
  const Role role_;
  Clock clock_;
  const Instant started_;

  EventRing ring_;
  NoticeSink sink_;
  Supervisor supervisor_;
  NodeQueue queue_{[this] { transport_->wake(); }};
  std::unique_ptr<Store> store_;
  std::unique_ptr<mesh::ZmqTransport> transport_;
  std::optional<node::Node> node_;
  std::optional<ControlApi> api_;
  std::optional<DeviceLoop> device_;
  std::optional<MarketThread> market_;
  std::optional<VtnThread> vtn_;
  std::unique_ptr<WorkerHub> workers_;
  std::optional<CallThread<node::LeaseAsk, node::LeaseAnswered>> etcd_;
  std::unique_ptr<HttpServer> http_;
  std::optional<Signals> signals_;

  std::vector<mesh::TransportEvent> events_;
  Durability durability_;
  bidding::MakeLinearProgram* solver_ = nullptr;
  std::vector<bidding::MarketAnswer> held_answers_;
  std::atomic<bool> stop_asked_ = false;
  bool stopped_ = false;
  bool failed_ = false;
  bool left_behind_ = false;
  Instant machine_look_at_{};
  DescriptorUse descriptors_;
  bool descriptors_gone_ = false;
  bool stepped_ = false;
  Instant housekeeping_at_{};
  Instant compact_at_{};
  Instant store_retry_at_{};
  std::string store_problem_;
  StoreUse store_use_;
  bool store_low_ = false;
  std::optional<Vitals::Device> device_vitals_;
  std::string meter_problem_;  ///< as told last
  std::optional<Vitals::Market> market_vitals_;
  std::int32_t firm_permille_ = 1000;
  std::int64_t cert_not_before_ms_ = 0;
  std::int64_t cert_not_after_ms_ = 0;
  std::uint64_t dropped_before_ = 0;
  node::RequestId requests_ = 0;
  node::RequestId asked_ = 0;
  std::optional<node::Reply> reply_;
  std::map<node::RequestId, std::function<void(NodeAnswer)>> waiting_;  ///< for a later reply
};

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Runtime::~Runtime() = default;

std::expected<std::unique_ptr<Runtime>, std::string> Runtime::open(const RuntimeOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  if (auto opened = impl->open(); !opened) return std::unexpected{opened.error()};
  return std::unique_ptr<Runtime>{new Runtime{std::move(impl)}};
}

int Runtime::run() {
  return impl_->run();
}
bool Runtime::thread_left_behind() const {
  return impl_->thread_left_behind();
}

}  // namespace vpp::driver
