#include "tools/vppctl/tree_model.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/rng.h"
#include "tools/vppctl/tree_view.h"

using namespace vpp;
using namespace vpp::ctl;

namespace {

Document child(const std::string& id, std::uint64_t session, bool attached = true) {
  const bool is_leaf = id.starts_with("home");
  return {{"id", id},
          {"name", id},
          {"role", is_leaf ? "leaf" : "aggregator"},
          {"state", attached ? "alive" : "lost"},
          {"session", session},
          {"attached", attached},
          {"counted", attached}};
}

TreeAnswer answer(const std::string& id, const std::vector<Document>& children) {
  Document tree;
  tree["node"] = {{"id", id}, {"name", id}, {"role", "aggregator"}, {"state", "alive"}};
  tree["coverage"] = {{"enrolled", 2}, {"online", 2}, {"stale", 0}, {"offline", 0}};
  tree["children"] = children;
  return {id + ".sock", tree};
}

TreeAnswer silent(const std::string& id) {
  return {id + ".sock", std::nullopt};
}

std::string text(const std::vector<Line>& lines) {
  std::string out;
  for (const Line& line : lines) out += to_terminal(line, false) + "\n";
  return out;
}

}  // namespace

TEST_CASE("a node that turns up below another parent has moved, and why is told", "[watch]") {
  TreeModel model;
  const std::vector<Document> both{child("agg-1", 1), child("agg-2", 1)};
  CHECK(model
            .see(0, {answer("root", both), answer("agg-1", {child("home-1", 1)}),
                     answer("agg-2", {child("home-2", 1)})})
            .empty());
  // Killed: its daemon is silent, its leaf nowhere.
  CHECK(model
            .see(1'000,
                 {answer("root", both), silent("agg-1"), answer("agg-2", {child("home-2", 1)})})
            .empty());
  CHECK(model.find("home-1")->state == "between");
  CHECK(model.count("between") == 1);
  const std::vector<Document> one_lost{child("agg-1", 1, false), child("agg-2", 1)};
  const auto moves = model.see(2'000, {answer("root", one_lost), silent("agg-1"),
                                       answer("agg-2", {child("home-1", 2), child("home-2", 1)})});
  REQUIRE(moves.size() == 1);
  CHECK(to_string(moves[0]) == "home-1: agg-1 -> agg-2 (parent lost)");
  CHECK(model.fresh_move("home-1", 2'000 + TreeModel::kFreshMs) != nullptr);
  CHECK(model.fresh_move("home-1", 2'001 + TreeModel::kFreshMs) == nullptr);
}

TEST_CASE("a node's own reason goes before what can be seen from outside", "[watch]") {
  TreeModel model;
  const std::vector<Document> both{child("agg-1", 1), child("agg-2", 1)};
  auto own = answer("home-1", {});
  model.see(0, {answer("root", both), answer("agg-1", {child("home-1", 1)}), own});
  (*own.tree)["node"]["last_move"] = {{"reason", "redirected"}};
  const auto moves =
      model.see(1, {answer("root", both), answer("agg-2", {child("home-1", 2)}), own});
  REQUIRE(moves.size() == 1);
  CHECK(moves[0].reason == "redirected");
}

TEST_CASE("the newest session says where a node is that two parents show", "[watch]") {
  TreeModel model;
  model.see(0, {answer("root", {child("agg-1", 1), child("agg-2", 1)}),
                answer("agg-1", {child("home-1", 4)}), answer("agg-2", {child("home-1", 5)})});
  CHECK(model.find("home-1")->parent == "agg-2");
  CHECK(model.children("agg-1").empty());
}

TEST_CASE("a node that comes from a parent who never answered has moved all the same", "[watch]") {
  TreeModel model;  // of agg-1 nobody ever saw what is below it: it was busy, then dead
  const std::vector<Document> both{child("agg-1", 1), child("agg-2", 1)};
  model.see(10'000, {answer("root", both), silent("agg-1"), answer("agg-2", {child("home-2", 1)})});
  Document came = child("home-1", 2);
  came["last_parent"] = "agg-1";
  came["attached_age_ms"] = 300;
  Document older = child("home-3", 5);  // there before the first look, which missed it
  older["last_parent"] = "agg-1";
  older["attached_age_ms"] = 9'000;
  const auto moves = model.see(12'000, {answer("root", both), silent("agg-1"),
                                        answer("agg-2", {came, child("home-2", 1), older})});
  REQUIRE(moves.size() == 1);
  CHECK(to_string(moves[0]).starts_with("home-1: agg-1 -> agg-2"));
  CHECK(model.see(13'000, {answer("root", both), answer("agg-2", {came, older})}).empty());
}

TEST_CASE("a stay between two looks is told by its end", "[watch]") {
  TreeModel model;
  const std::vector<Document> both{child("agg-1", 1), child("agg-2", 1)};
  model.see(0, {answer("root", both), answer("agg-1", {child("home-1", 4)})});
  Document back = child("home-1", 6);
  back["last_parent"] = "agg-2";
  const auto moves = model.see(1'000, {answer("root", both), answer("agg-1", {back})});
  REQUIRE(moves.size() == 1);
  CHECK(to_string(moves[0]).starts_with("home-1: agg-2 -> agg-1"));
  Document again = child("home-1", 7);  // it has only been restarted
  again["last_parent"] = "agg-1";
  CHECK(model.see(2'000, {answer("root", both), answer("agg-1", {again})}).empty());
}

TEST_CASE("names cannot steer the terminal", "[watch]") {
  TreeModel model;
  Document bad = child("home-1", 1);
  bad["name"] = "\x1b[2Jhome\n";
  model.see(0, {answer("root", {bad})});
  CHECK(model.find("home-1")->name == "?[2Jhome?");
}

TEST_CASE("a picture fits any terminal, and shows every leaf while it can", "[watch]") {
  Rng rng{3};
  for (int round = 0; round < 200; ++round) {
    TreeModel model;
    std::vector<Document> groups;
    std::vector<TreeAnswer> answers{answer("root", {})};
    const std::uint64_t leaves = rng.below(40);
    for (std::uint64_t g = 0; g < 3; ++g) {
      const std::string id = "agg-" + std::to_string(g);
      groups.push_back(child(id, 1));
      std::vector<Document> below;
      for (std::uint64_t i = 0; i < leaves; ++i) {
        below.push_back(child("home-" + std::to_string(g * 100 + i), 1, rng.below(4) != 0));
      }
      answers.push_back(answer(id, below));
    }
    answers[0] = answer("root", groups);
    model.see(0, answers);
    const ViewSize size{1 + rng.below(120), 1 + rng.below(60)};
    const auto lines = render(model, 0, size, {});
    REQUIRE(lines.size() <= size.height);
    for (const Line& line : lines) {
      REQUIRE(to_terminal(line, false).size() <= size.width);
    }
    const std::size_t wanted = 2 + 1 + 3 + 3 * leaves;
    if (wanted > size.height || size.width < 40) continue;
    const std::string all = text(lines);
    for (const auto& [id, node] : model.nodes()) CHECK(all.find(node.name) != std::string::npos);
  }
}
