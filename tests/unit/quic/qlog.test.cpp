#include "tests/unit/quic/pair.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "tests/support/temp_dir.hpp"

using namespace ec;
using namespace ec::test;

namespace {

/// The records of a JSON text sequence, each parsed.
std::vector<base::json::value> records(const std::string& path) {
  std::vector<base::json::value> out;
  const auto text = base::read_file(path, 64u << 20);
  REQUIRE(text);
  std::string_view rest = text.value().text();
  while (!rest.empty()) {
    REQUIRE(rest.front() == '\x1e');
    const auto next = rest.find('\x1e', 1);
    auto record = base::json::parse(rest.substr(1, next == rest.npos ? rest.npos : next - 1));
    REQUIRE(record);
    out.push_back(std::move(record.value()));
    rest = next == rest.npos ? std::string_view{} : rest.substr(next);
  }
  return out;
}

size_t named(const std::vector<base::json::value>& of, std::string_view name) {
  return static_cast<size_t>(std::ranges::count_if(of, [&](const auto& r) {
    const auto* n = r.find("name");
    return n && n->as_string() && *n->as_string() == name;
  }));
}

std::shared_ptr<quic::qlog> notes_in(const temp_dir& folder, quic::qlog_bounds bounds = {}) {
  auto made = quic::qlog_folder(folder.path(), bounds);
  REQUIRE(made);
  return made.value();
}

/// Dials, sends `size` bytes to the server and closes; server and client note to `notes`.
void talk(const std::shared_ptr<quic::qlog>& notes, size_t size, size_t connections = 1) {
  auto server = pair::server_config();
  server.notes = notes;
  quic::endpoint_config client;
  client.notes = notes;
  pair p{std::move(server), std::move(client)};
  for (size_t i = 0; i < connections; ++i) {
    p.mine = {};
    auto& theirs = p.connect();
    const auto id = p.mine.c->open_uni();
    REQUIRE(p.mine.c->write(*id, pattern(size), true) == quic::write_result::queued);
    REQUIRE(p.net.run([&] { return theirs.fins[*id]; }));
    p.mine.c->close(0, "done");
    REQUIRE(p.net.run([&] { return p.mine.closed && theirs.closed; }));
  }
}

} // namespace

TEST_CASE("both ends of a connection note its packets under the id that the client chose first") {
  const temp_dir folder;
  talk(notes_in(folder), 5000);
  const auto names = folder.names();
  REQUIRE(names.size() == 2);
  CHECK(names[0].ends_with("_client.sqlog"));
  CHECK(names[1].ends_with("_server.sqlog"));
  CHECK(names[0].substr(0, names[0].find('_')) == names[1].substr(0, names[1].find('_')));
  const auto client = records(folder / names[0]);
  const auto server = records(folder / names[1]);
  REQUIRE(client.size() > 10);
  CHECK(client[0].find("qlog_format") != nullptr);
  CHECK(named(client, "transport:packet_sent") > 4);
  CHECK(named(server, "transport:packet_received") == named(client, "transport:packet_sent"));
}

TEST_CASE("notes end at their bounds and connections do not notice") {
  SUBCASE("bytes: the last record says so") {
    const temp_dir folder;
    talk(notes_in(folder, {.trace_bytes_max = 4000}), 500'000);
    for (const auto& name : folder.names()) {
      CHECK(std::filesystem::file_size(folder / name) < 4200);
      CHECK(named(records(folder / name), "generic:error") == 1);
    }
    CHECK(folder.names().size() == 2);
  }
  SUBCASE("connections: later ones are not noted") {
    const temp_dir folder;
    talk(notes_in(folder, {.connections_max = 2}), 10, 3);
    CHECK(folder.names().size() == 2);
  }
}

TEST_CASE("a folder that cannot be written to is refused by name") {
  const temp_dir folder;
  REQUIRE(base::write_new_file(folder / "file", {}, 0600, base::durability::process));
  const auto made = quic::qlog_folder(folder / "file/notes");
  REQUIRE(!made);
  CHECK(made.error().message().find(folder / "file/notes") != std::string::npos);
}
