// What the network information table is good for, and what it is not.
#include "ts/program.hpp"

#include <map>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include "ts/chunk_cutter.hpp"
#include "ts/section.hpp"

using namespace ec;

namespace {

/// Tables of a multiplex of one program, packet by packet.
struct tables {
  std::vector<std::vector<uint8_t>> packets;
  uint16_t pmt_pid = 0x100;

  void put(uint16_t pid, uint8_t table, uint16_t extension, const std::vector<uint8_t>& body, uint8_t version = 0) {
    std::vector<uint8_t> s{table, 0, 0, static_cast<uint8_t>(extension >> 8), static_cast<uint8_t>(extension), static_cast<uint8_t>(0xc1 | version << 1), 0, 0};
    s.insert(s.end(), body.begin(), body.end());
    s[1] = static_cast<uint8_t>(0xb0 | (s.size() + 1) >> 8);
    s[2] = static_cast<uint8_t>(s.size() + 1);
    ts::append_crc(s);
    std::vector<uint8_t> p{0x47, static_cast<uint8_t>(0x40 | pid >> 8), static_cast<uint8_t>(pid), static_cast<uint8_t>(0x10 | (counters_[pid]++ & 15)), 0};
    p.insert(p.end(), s.begin(), s.end());
    p.resize(188, 0xff);
    packets.push_back(std::move(p));
  }
  void pat(unsigned times = 1) {
    for (; times > 0; --times) put(0, 0x00, 2, {0, 9, static_cast<uint8_t>(0xe0 | pmt_pid >> 8), static_cast<uint8_t>(pmt_pid)});
  }
  void sdt(uint8_t network) { put(0x11, 0x42, 2, {0x21, network, 0xff, 0, 9, 0xfc, 0x80, 0}); }
  /// Lists the multiplex under these original networks.
  void nit(std::vector<uint8_t> networks, uint8_t version = 0) {
    std::vector<uint8_t> body{0xf0, 5, 0x40, 3, 'E', 'R', 'T', 0xf0, static_cast<uint8_t>(6 * networks.size())};
    for (const auto n : networks) body.insert(body.end(), {0, 2, 0x21, n, 0xf0, 0});
    put(0x10, 0x40, 0x3401, body, version);
  }
  void pmt(uint8_t video_pid) { put(pmt_pid, 0x02, 9, {0xe1, 0, 0xf0, 0, 0x02, 0xe0, video_pid, 0xf0, 0}); }

private:
  std::map<uint16_t, unsigned> counters_;
};

struct reading {
  ts::program_reader program{{}};
  unsigned differs = 0;
  explicit reading(const tables& of) {
    for (const auto& p : of.packets) {
      const ts::packet_view packet(p.data());
      if (program.wants(packet.pid())) differs += program.push(packet).nit_differs ? 1 : 0;
    }
  }
  const ts::program_facts& facts() const { return program.facts(); }
};

} // namespace

TEST_SUITE("ts/program_nit") {

TEST_CASE("where no SDT comes for long the NIT says whose multiplex it is, and names the programs of the PAT by their numbers") {
  tables t;
  t.nit({0x2c});
  t.pat(99);
  CHECK(reading(t).facts().channels_by == ts::channel_list::none); // it may still come
  t.pat(1);
  const reading r(t);
  CHECK(r.facts().channels_by == ts::channel_list::nit);
  CHECK(r.facts().original_network_id == 8492);
  CHECK(r.facts().channels_transport_stream_id == 2);
  CHECK(r.facts().network_name == "ERT");
  REQUIRE(r.facts().channels.size() == 1);
  CHECK(r.facts().channels[0].program_number == 9);
  CHECK(r.facts().channels[0].name.empty());
}

TEST_CASE("an SDT that comes late holds, and that the NIT says otherwise is counted once for each version") {
  tables t;
  t.nit({0x2c});
  t.pat(120);
  t.sdt(0x33);
  t.sdt(0x33);
  t.pat(200);
  t.nit({0x2c});
  const reading r(t);
  CHECK(r.facts().channels_by == ts::channel_list::sdt);
  CHECK(r.facts().original_network_id == 0x2133);
  CHECK(r.facts().network_name.empty());
  CHECK(r.differs == 1);
  t.nit({0x2c, 0x44}, 1);
  CHECK(reading(t).differs == 2);
  t.nit({0x2c, 0x33}, 2); // both: a network that carries two of that number
  CHECK(reading(t).differs == 2);
  t.nit({}, 3); // it says nothing of this multiplex
  CHECK(reading(t).differs == 2);
}

TEST_CASE("a NIT that does not list the multiplex, or under two networks, names nothing") {
  for (const auto& networks : {std::vector<uint8_t>{}, std::vector<uint8_t>{0x2c, 0x33}}) {
    tables t;
    t.nit(networks);
    t.pat(150);
    CHECK(reading(t).facts().channels_by == ts::channel_list::none);
    t.nit({0x2c}, 1);
    CHECK(reading(t).facts().channels_by == ts::channel_list::nit);
    t.nit(networks, 2); // and takes back what it named
    const reading r(t);
    CHECK(r.facts().channels_by == ts::channel_list::none);
    CHECK(r.facts().channels.empty());
    CHECK_FALSE(r.facts().original_network_id.has_value());
  }
}

TEST_CASE("the PID of the NIT may be a PMT's, or a stream's: then it is that") {
  tables t;
  t.pmt_pid = 0x10; // program 1 of old ATSC
  t.pat();
  t.pmt(0x31);
  t.nit({0x2c});
  t.pat(150);
  const reading as_pmt(t);
  CHECK(as_pmt.facts().pmt_pid == 0x10);
  CHECK(as_pmt.facts().selected);
  CHECK(as_pmt.facts().channels_by == ts::channel_list::none);

  tables v;
  v.pat();
  v.pmt(0x10);
  const reading as_video(v);
  CHECK(as_video.facts().streams.size() == 1);
  CHECK_FALSE(as_video.program.wants(0x10));
  CHECK(reading(tables{}).program.wants(0x10));
}

TEST_CASE("the cutter says that they differ") {
  tables t;
  t.pat();
  t.sdt(0x33);
  t.nit({0x2c});
  ts::chunk_cutter cutter({});
  std::vector<ts::cut_event> events;
  for (const auto& p : t.packets) cutter.push(p, {}, events);
  cutter.finish({}, events);
  CHECK(cutter.counters().nit_conflicts == 1);
  size_t told = 0;
  for (const auto& e : events)
    if (const auto* n = std::get_if<ts::note>(&e)) told += n->event == "nit-differs" ? 1 : 0;
  CHECK(told == 1);
}

}
