// What a running node reads of itself on the air: every capture gives the names that its tables say, and no others.
#include "actors/air_name.hpp"

#include <filesystem>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "tests/support/data.hpp"
#include "tests/unit/identity/table.hpp"
#include "ts/packet_reader.hpp"

using namespace ec;

namespace {

ts::program_facts read(std::span<const uint8_t> data, ts::program_reader& program) {
  ts::packet_reader packets;
  packets.push(data, [&](const uint8_t* p) {
    const ts::packet_view packet(p);
    if (!packet.transport_error() && program.wants(packet.pid())) program.push(packet);
  }, [&](bool aligned) { if (!aligned) program.lost(); });
  return program.facts();
}

ts::program_facts read(std::span<const uint8_t> data) {
  ts::program_reader program({});
  return read(data, program);
}

std::string key(const identity::broadcast_scope& scope) {
  const std::string all(identity::stream_id::make(scope, "ts-v1").value().key());
  return all.substr(std::string("ec/stream/v1/broadcast/").size());
}

ts::program_facts boston() {
  ts::program_facts air;
  air.transport_stream_id = 1363;
  air.channels_by = ts::channel_list::terrestrial_vct;
  air.channels_transport_stream_id = 1363;
  air.channels = {{"WHDH-HD", ts::virtual_channel{7, 1}, 3, 1}, {"This TV", ts::virtual_channel{7, 2}, 4, 2}};
  return air;
}

std::string why_not(const ts::program_facts& air, uint16_t program) {
  const auto got = actors::identify_on_air(air, program);
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().code == base::errc::not_found);
  return got.error().text;
}

} // namespace

TEST_SUITE("air_name") {

TEST_CASE("each capture gives the names of the table in docs/formats/stream-id.md") {
  if (!test::test_data("ts/README.md")) return;
  // Of each capture, by program: key and alias.
  std::map<std::string, std::map<std::string, std::pair<std::string, std::string>>> wanted;
  for (const auto& row : test::golden_table("Capture")) {
    REQUIRE(row.size() == 4);
    auto& of = wanted[row[0]];
    if (row[1] == "none") continue;
    for (std::string_view left = row[1]; !left.empty();) {
      const std::string program(left.substr(0, left.find(',')));
      left.remove_prefix(std::min(left.size(), program.size() + 2));
      auto name = row[2];
      if (name.ends_with("program-N")) name.replace(name.size() - 1, 1, program);
      of[program] = {name, row[3]};
    }
  }
  std::set<std::string> seen;
  const auto root = test::test_data("ts/README.md")->parent_path();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".ts" && extension != ".mts")) continue;
    const auto name = std::filesystem::relative(entry.path(), root).generic_string();
    CAPTURE(name);
    const auto air = read(test::read_file(entry.path()));
    std::set<uint16_t> programs(air.programs.begin(), air.programs.end());
    for (const auto& c : air.channels) programs.insert(c.program_number);
    std::map<std::string, std::pair<std::string, std::string>> got;
    for (const auto program : programs) {
      const auto found = actors::identify_on_air(air, program);
      if (!found) continue;
      const auto& f = found.value();
      got[std::to_string(program)] = {key(f.key), f.aliases.empty() ? "" : key(f.aliases[0])};
    }
    const auto row = wanted.find(name);
    std::string text;
    for (const auto& [program, names] : got) text += program + " " + names.first + " " + names.second + "\n";
    INFO(text);
    CHECK_MESSAGE(row != wanted.end(), "the table does not name it");
    if (row != wanted.end()) CHECK(got == row->second);
    seen.insert(name);
  }
  for (const auto& [name, programs] : wanted) CHECK_MESSAGE(seen.contains(name), name);
}

TEST_CASE("the NIT of each capture that has one says what the table of docs/formats/stream-id.md says, and agrees with the SDT") {
  if (!test::test_data("ts/README.md")) return;
  std::map<std::string, std::vector<std::string>> wanted, got;
  for (const auto& row : test::golden_table("Capture with a NIT")) {
    REQUIRE(row.size() == 5);
    wanted[row[0]] = row;
  }
  const auto root = test::test_data("ts/README.md")->parent_path();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (!entry.is_regular_file() || (extension != ".ts" && extension != ".mts")) continue;
    const auto name = std::filesystem::relative(entry.path(), root).generic_string();
    ts::program_reader program({});
    const auto air = read(test::read_file(entry.path()), program);
    if (!program.nit()) continue;
    const auto& nit = *program.nit();
    const auto tsid = air.channels_transport_stream_id;
    REQUIRE(tsid);
    const auto network = nit.network_of(*tsid);
    got[name] = {name, std::to_string(nit.network_id), nit.name, std::to_string(nit.transport_streams.size()),
                 std::to_string(network.value_or(0)) + ", " + std::to_string(*tsid)};
    CHECK(air.channels_by == ts::channel_list::sdt);
    CHECK(network == air.original_network_id);
  }
  for (const auto& [name, row] : got) MESSAGE(name << " | " << row[1] << " | " << row[2] << " | " << row[3] << " | " << row[4]);
  CHECK(got == wanted);
}

TEST_CASE("with a NIT alone a program is known by its numbers") {
  ts::program_facts air;
  air.transport_stream_id = air.channels_transport_stream_id = 2;
  air.channels_by = ts::channel_list::nit;
  air.original_network_id = 8492;
  air.network_name = "ERT";
  air.channels = {{"", std::nullopt, 9, 0}};
  const auto got = actors::identify_on_air(air, 9);
  REQUIRE(got.has_value());
  CHECK(key(got.value().key) == "standard-dvb/network-8492/tsid-2/program-9");
  CHECK(got.value().reason.find("NIT of network 'ERT'") != std::string::npos);
  air.original_network_id = 0xff01;
  CHECK(why_not(air, 9).find("registered to nobody") != std::string::npos);
}

TEST_CASE("a program is named by its channel and the multiplex's transport stream id") {
  const auto got = actors::identify_on_air(boston(), 4);
  REQUIRE(got.has_value());
  CHECK(key(got.value().key) == "standard-atsc/channel-7.2/callsign-whdh");
  REQUIRE(got.value().aliases.size() == 1);
  CHECK(key(got.value().aliases[0]) == "standard-atsc/tsid-1363/channel-7.2");
  auto late = boston(); // the VCT may come before the PAT
  late.transport_stream_id.reset();
  CHECK(actors::identify_on_air(late, 4).value().key == got.value().key);
}

TEST_CASE("nothing is guessed") {
  CHECK(why_not({}, 3) == "no VCT and no SDT was read");
  CHECK(why_not(boston(), 5).find("does not name program 5") != std::string::npos);
  auto two = boston();
  two.channels.push_back({"WHDH-HD", ts::virtual_channel{7, 9}, 3, 3});
  CHECK(why_not(two, 3).find("two channels") != std::string::npos);
  auto other = boston();
  other.transport_stream_id = 77;
  CHECK(why_not(other, 3).find("transport stream 77") != std::string::npos);
  auto cable = boston();
  cable.channels_by = ts::channel_list::cable_vct;
  CHECK(why_not(cable, 3).find("cable") != std::string::npos);
  auto dvb = boston();
  dvb.channels_by = ts::channel_list::sdt;
  for (auto& c : dvb.channels) c.channel.reset();
  CHECK(why_not(dvb, 3).find("original_network_id") != std::string::npos);
  dvb.original_network_id = 0xff01;
  CHECK(why_not(dvb, 3).find("registered to nobody") != std::string::npos);
  dvb.original_network_id = 9018;
  CHECK(key(actors::identify_on_air(dvb, 3).value().key) == "standard-dvb/network-9018/tsid-1363/program-3");
}

}
