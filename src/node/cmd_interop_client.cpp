#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "actors/interop_client.hpp"
#include "base/clock.hpp"
#include "node/command.hpp"
#include "node/commands.hpp"
#include "node/relay_client.hpp"

namespace ec::node {
namespace {

/// The runner's code for a case that a client does not have.
constexpr int exit_no_such_case = 127;

struct interop_options {
  std::string relay = "moqt://localhost:4443";
  std::optional<std::string> test;
  bool list = false;
  bool tls_disable_verify = false;
  std::string draft;
};

/// The runner starts its clients with an environment only; what stands on the command line is stronger.
interop_options from_environment() {
  interop_options out;
  const auto text = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (auto v = text("RELAY_URL"); !v.empty()) out.relay = std::move(v);
  if (auto v = text("TESTCASE"); !v.empty()) out.test = std::move(v);
  if (const auto v = text("TLS_DISABLE_VERIFY"); v == "1" || v == "true") out.tls_disable_verify = true;
  out.draft = text("MOQT_DRAFT");
  return out;
}

/// A value of a diagnostic block, quoted so that nothing in it is YAML.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void print_point(size_t n, std::string_view id, const moq::interop_outcome& how, std::chrono::milliseconds took) {
  std::printf("%sok %zu - %.*s\n  ---\n  duration_ms: %lld\n", how.passed ? "" : "not ", n, static_cast<int>(id.size()), id.data(), static_cast<long long>(took.count()));
  if (!how.passed) std::printf("  expected: %s\n  received: %s\n", quoted(how.expected).c_str(), quoted(how.received).c_str());
  std::printf("  ...\n");
  std::fflush(stdout);
}

/// Plays the cases one after the other, but for those that the draft cannot say; the number of those that failed.
base::result<size_t> play(const actors::interop_dial& dial, const std::string& draft, const std::vector<std::string_view>& ids) {
  size_t failed = 0;
  EC_TRYV(as_client({}, [&](caf::scoped_actor& self, const actors::running_endpoint& endpoint) {
    auto& sys = self->system();
    for (size_t i = 0; i < ids.size(); ++i) {
      if (draft != "draft-18" && moq::interop_case::needs_rendezvous(ids[i])) {
        std::printf("ok %zu - %.*s # SKIP %s has no RENDEZVOUS_TIMEOUT\n", i + 1, static_cast<int>(ids[i].size()), ids[i].data(), draft.c_str());
        std::fflush(stdout);
        continue;
      }
      const auto begun = base::mono_now();
      moq::interop_outcome how;
      self->request(actors::spawn_interop_client(sys, endpoint, dial, std::string(ids[i])), caf::infinite, actors::start_atom::value)
        .receive([&](const moq::interop_outcome& o) { how = o; }, [&](const caf::error& e) { how = {false, "an end of the case", sys.render(e)}; });
      if (!how.passed) ++failed;
      print_point(i + 1, ids[i], how, std::chrono::duration_cast<std::chrono::milliseconds>(base::mono_now() - begun));
    }
  }));
  return failed;
}

} // namespace

int cmd_interop_client(const std::vector<std::string>& args) {
  static const command_help help{"interop-client",
    "Plays the cases of the MoQ interop runner against a relay, and prints TAP version 14. The environment's RELAY_URL, TESTCASE, TLS_DISABLE_VERIFY and "
    "MOQT_DRAFT count where an option is not given. Exits with 127 for a case that it does not have.",
    {"ec-node interop-client --relay moqt://127.0.0.1:4443 --tls-disable-verify", "ec-node interop-client --list",
      "RELAY_URL=moqt://relay.example:4443 TESTCASE=setup-only ec-node interop-client"}};
  static const std::vector<setting<interop_options>> settings = {
    make_setting("relay", "URL", "moqt://host:port[/path][#spki=...] (moqt://localhost:4443)", &interop_options::relay),
    make_setting("test", "NAME", "the only case to play (default: all)", &interop_options::test),
    make_setting("list", "", "print the names of the cases (false)", &interop_options::list),
    make_setting("tls-disable-verify", "", "accept any certificate (false)", &interop_options::tls_disable_verify),
    make_setting("draft", "NAME", "the draft to speak: draft-18 or draft-16 (draft-18)", &interop_options::draft),
  };
  auto options = from_environment();
  const auto line = read_line(args, help, settings, options);
  if (!line.go_on) return line.code;
  auto ids = moq::interop_case::ids();
  if (options.list) {
    for (const auto id : ids) std::printf("%.*s\n", static_cast<int>(id.size()), id.data());
    return exit_ok;
  }
  if (options.draft.empty()) options.draft = "draft-18";
  if (options.draft != "draft-18" && options.draft != "draft-16") {
    print_error(help.name, "--draft: '" + options.draft + "' is not spoken; draft-18 and draft-16 are");
    return exit_no_such_case;
  }
  if (options.test) {
    if (std::ranges::find(ids, *options.test) == ids.end()) {
      print_error(help.name, "--test: there is no case '" + *options.test + "': --list shows them");
      return exit_no_such_case;
    }
    ids = {*std::ranges::find(ids, *options.test)};
  }
  const auto relay = relay_of(options.relay, options.tls_disable_verify);
  if (!relay) {
    print_error(help.name, relay.error().message());
    return exit_usage;
  }
  actors::interop_dial dial{relay.value().address, {}, relay.value().verification, "moqt-" + options.draft.substr(options.draft.find('-') + 1)};

  std::printf("TAP version 14\n# ec-node %s\n# Relay: %s\n# Draft: %s\n1..%zu\n", EC_VERSION, printable(options.relay).c_str(), options.draft.c_str(), ids.size());
  std::fflush(stdout);
  const auto found = quic::resolve(dial.address.host, dial.address.port);
  if (!found) {
    std::printf("Bail out! %s\n", printable(found.error().message()).c_str());
    return exit_not_verified;
  }
  dial.peer = found.value().front();
  const auto failed = play(dial, options.draft, ids);
  if (!failed) {
    std::printf("Bail out! %s\n", printable(failed.error().message()).c_str());
    return exit_failed;
  }
  return failed.value() == 0 ? exit_ok : exit_not_verified;
}

} // namespace ec::node
