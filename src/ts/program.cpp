#include "ts/program.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "base/limits.hpp"

namespace ec::ts {
namespace {

constexpr size_t table_states_max = 1024;
constexpr size_t programs_max = 256;
/// Sections of the PAT without one of the SDT, which is said as often as each 2 s: from then on there is none. A PAT comes 2 to 25 times a second.
constexpr uint64_t pats_without_sdt = 100;

bool has_tag(const pmt_table::stream& s, uint8_t tag) {
  return std::any_of(s.descriptors.begin(), s.descriptors.end(), [&](const descriptor& d) { return d.tag == tag; });
}

bool has_registration(const pmt_table::stream& s, std::string_view id) {
  return std::any_of(s.descriptors.begin(), s.descriptors.end(), [&](const descriptor& d) {
    return d.tag == 0x05 && d.data.size() >= 4 && std::equal(id.begin(), id.end(), d.data.begin());
  });
}

/// Descriptors that a player needs to tell what a stream is. Everything else may change with the programme, or be
/// rewritten on the way, and stays out.
bool is_canonical(uint8_t tag) {
  switch (tag) {
  case 0x05: // registration
  case 0x0a: // ISO 639 language
  case 0x6a: // AC-3
  case 0x7a: // enhanced AC-3
  case 0x7b: // DTS
  case 0x7c: // AAC
    return true;
  default: return false;
  }
}

std::vector<program_stream> carried(const pmt_table& pmt) {
  std::vector<program_stream> out;
  for (const auto& s : pmt.streams) {
    const codec kind = classify(s);
    if (kind == codec::none || s.pid < 0x10 || s.pid == null_pid) continue;
    program_stream stream{s.pid, s.type, kind, {}, {}};
    for (const auto& d : s.descriptors) {
      if (d.tag == 0x0a && d.data.size() >= 3 && stream.language.empty()) stream.language.assign(d.data.begin(), d.data.begin() + 3);
      if (is_canonical(d.tag)) stream.descriptors.push_back(d);
    }
    // Some stations list a PID twice; the last entry that we understand counts, at the place of the first.
    const auto same = std::find_if(out.begin(), out.end(), [&](const auto& o) { return o.pid == s.pid; });
    if (same != out.end()) *same = std::move(stream);
    else if (out.size() < base::limits::ts_program_pids_max) out.push_back(std::move(stream));
  }
  return out;
}

} // namespace

std::string_view name(codec c) {
  switch (c) {
  case codec::none: return "none";
  case codec::mpeg_video: return "mpeg-video";
  case codec::h264: return "h264";
  case codec::hevc: return "hevc";
  case codec::mpeg_audio: return "mpeg-audio";
  case codec::adts: return "aac";
  case codec::latm: return "aac-latm";
  case codec::ac3: return "ac3";
  case codec::other_audio: return "audio";
  }
  return "?";
}

codec classify(const pmt_table::stream& s) {
  switch (s.type) {
  case 0x01: case 0x02: return codec::mpeg_video;
  case 0x03: case 0x04: return codec::mpeg_audio;
  case 0x0f: return codec::adts;
  case 0x11: return codec::latm;
  case 0x1b: return codec::h264;
  case 0x24: return codec::hevc;
  case 0x81: case 0x87: return codec::ac3;
  case 0x06:
    if (has_tag(s, 0x6a) || has_tag(s, 0x7a) || has_registration(s, "AC-3") || has_registration(s, "EAC3")) return codec::ac3;
    if (has_registration(s, "HEVC")) return codec::hevc;
    if (has_tag(s, 0x7b) || has_tag(s, 0x7c) || has_registration(s, "Opus")) return codec::other_audio;
    return codec::none;
  default: return codec::none;
  }
}

const channel_facts* program_facts::channel() const {
  for (const auto& c : channels)
    if (selected && c.program_number == program_number) return &c;
  return nullptr;
}

std::vector<uint16_t> program_reader::wanted() const {
  std::vector<uint16_t> out{0, 0x11, 0x14, 0x1ffb};
  for (const auto& [pid, assembler] : assemblers_)
    if (pid != 0 && pid != nit_pid && !is_fixed(pid)) out.push_back(pid);
  if (wants_nit_pid()) out.push_back(nit_pid);
  return out;
}

bool program_reader::is_pmt_pid(uint16_t pid) const {
  return std::ranges::any_of(listed_, [&](const auto& p) { return p.pmt_pid == pid; });
}

bool program_reader::wants_nit_pid() const {
  if (is_pmt_pid(nit_pid)) return true;
  return std::ranges::none_of(pmts_, [](const auto& pmt) { return std::ranges::any_of(pmt.second.streams, [](const auto& s) { return s.pid == nit_pid; }); });
}

program_change program_reader::push(packet_view packet) {
  program_change out;
  const uint16_t pid = packet.pid();
  assemblers_[pid].push(packet, [&](std::span<const uint8_t> section) { on_section(pid, section, out); });
  return out;
}

void program_reader::lost() {
  for (auto& [pid, a] : assemblers_) a.reset();
}

uint64_t program_reader::crc_errors() const {
  uint64_t n = 0;
  for (const auto& [pid, a] : assemblers_) n += a.crc_errors();
  return n;
}

std::vector<std::vector<uint8_t>> program_reader::collect(uint16_t pid, std::span<const uint8_t> section) {
  if (!(section[1] & 0x80) || section.size() < 12 || !(section[5] & 1)) return {}; // private, short, or not yet valid
  const auto extension = static_cast<uint16_t>(section[3] << 8 | section[4]);
  const uint8_t version = section[5] >> 1 & 0x1f;
  const uint8_t number = section[6], last = section[7];
  if (number > last) return {};
  if (states_.size() >= table_states_max) states_.clear();
  auto& state = states_[{pid, section[0], extension}];
  const auto tail = section.last(4);
  const uint32_t crc = uint32_t{tail[0]} << 24 | uint32_t{tail[1]} << 16 | uint32_t{tail[2]} << 8 | tail[3];
  if (last == 0) {
    if (state.version == version && state.fingerprint == crc) return {};
    state = {crc, version, {}};
    return {{section.begin(), section.end()}};
  }
  if (state.version != version) state = {0, version, {}};
  auto& part = state.parts[number];
  if (std::equal(part.begin(), part.end(), section.begin(), section.end())) return {};
  part.assign(section.begin(), section.end());
  std::vector<std::vector<uint8_t>> all;
  for (const auto& [n, bytes] : state.parts) {
    if (n > last) break;
    all.push_back(bytes);
  }
  if (all.size() != size_t{last} + 1) return {};
  return all;
}

void program_reader::on_section(uint16_t pid, std::span<const uint8_t> section, program_change& out) {
  const uint8_t table = section[0];
  if (tables_.size() < table_states_max || tables_.contains({pid, table})) ++tables_[{pid, table}];
  if (pid == 0x14) {
    if (table != 0x70 && table != 0x73) return;
    if (const auto time = decode_tdt(section)) out.broadcast_unix_ms = time.value();
    return;
  }
  if (pid == 0x1ffb && table == 0xcd) {
    if (const auto stt = decode_stt(section)) out.broadcast_unix_ms = stt.value().unix_ms();
    return;
  }
  const bool is_pmt = table == 0x02 && pid != 0 && !is_fixed(pid);
  const bool wanted = (pid == 0 && table == 0x00) || is_pmt || (pid == 0x11 && table == 0x42) || (pid == nit_pid && table == 0x40 && !is_pmt_pid(pid)) ||
                      (pid == 0x1ffb && (table == 0xc7 || table == 0xc8 || table == 0xc9));
  if (!wanted) return;
  const uint64_t gaps = assemblers_[pid].gaps();
  const bool missed = is_pmt && pmt_gaps_.contains(pid) && pmt_gaps_[pid] != gaps;
  if (is_pmt) pmt_gaps_[pid] = gaps;
  const auto all = collect(pid, section);
  if (table == 0x00) consult_nit(out);
  if (all.empty()) return;
  if (table == 0x00) {
    if (const auto pat = decode_pat(all)) on_pat(pat.value(), out);
  } else if (is_pmt) {
    auto pmt = decode_pmt(all);
    if (!pmt) return;
    const uint16_t number = pmt.value().program_number;
    if (std::none_of(listed_.begin(), listed_.end(), [&](const auto& p) { return p.number == number && p.pmt_pid == pid; })) return;
    const bool known = pmts_.contains(number) && facts_.selected && facts_.program_number == number;
    pmts_[number] = std::move(pmt.value());
    out.clean = !missed;
    select(out);
    out.renewed = known && !out.selection;
  } else if (table == 0x42) {
    auto sdt = decode_sdt(all);
    if (!sdt || have_vct_) return;
    facts_.channels_by = channel_list::sdt;
    facts_.channels_transport_stream_id = sdt.value().transport_stream_id;
    facts_.original_network_id = sdt.value().original_network_id;
    facts_.network_name.clear();
    facts_.channels.clear();
    for (auto& s : sdt.value().services) facts_.channels.push_back({std::move(s.name), std::nullopt, s.id, 0});
    out.facts = true;
    compare_nit(out);
  } else if (table == 0x40) {
    auto nit = decode_nit(all);
    if (!nit) return;
    nit_ = std::move(nit.value());
    compare_nit(out);
    consult_nit(out);
  } else if (table == 0xc7) {
    if (auto mgt = decode_mgt(all)) mgt_ = std::move(mgt.value());
  } else {
    auto vct = decode_vct(all);
    if (!vct) return;
    have_vct_ = true;
    if (facts_.channels_by == channel_list::nit) facts_.original_network_id.reset();
    facts_.network_name.clear();
    facts_.channels_by = vct.value().cable ? channel_list::cable_vct : channel_list::terrestrial_vct;
    facts_.channels_transport_stream_id = vct.value().transport_stream_id;
    facts_.channels.clear();
    for (auto& c : vct.value().channels) {
      // A channel of another multiplex is listed too at some stations; its program number means nothing here.
      if (c.channel_tsid != vct.value().transport_stream_id) continue;
      facts_.channels.push_back({std::move(c.short_name), virtual_channel{c.major, c.minor}, c.program_number, c.source_id});
    }
    out.facts = true;
    select(out);
  }
}

void program_reader::compare_nit(program_change& out) const {
  if (!nit_ || facts_.channels_by != channel_list::sdt) return;
  // A network may carry multiplexes of one number from several; that this one is not listed says nothing.
  const auto& all = nit_->transport_streams;
  const auto here = [&](const auto& t) { return t.id == facts_.channels_transport_stream_id; };
  const auto same = [&](const auto& t) { return here(t) && t.original_network_id == facts_.original_network_id; };
  out.nit_differs = std::ranges::any_of(all, here) && std::ranges::none_of(all, same);
}

void program_reader::consult_nit(program_change& out) {
  using enum channel_list;
  if (!nit_ || !facts_.transport_stream_id || (facts_.channels_by != none && facts_.channels_by != nit)) return;
  if (tables_.contains({0x11, 0x42}) || tables_[{0, 0}] < pats_without_sdt) return;
  const auto network = nit_->network_of(*facts_.transport_stream_id);
  const auto now = std::tuple(network ? nit : none, network, network ? nit_->name : std::string{});
  std::vector<channel_facts> channels;
  for (const auto number : facts_.programs)
    if (network) channels.push_back({{}, std::nullopt, number, 0});
  const auto numbers = [](const auto& of) {
    std::vector<uint16_t> list;
    for (const auto& c : of) list.push_back(c.program_number);
    return list;
  };
  if (now == std::tuple(facts_.channels_by, facts_.original_network_id, facts_.network_name) && numbers(channels) == numbers(facts_.channels)) return;
  std::tie(facts_.channels_by, facts_.original_network_id, facts_.network_name) = now;
  facts_.channels_transport_stream_id = network ? facts_.transport_stream_id : std::nullopt;
  facts_.channels = std::move(channels);
  out.facts = true;
}

void program_reader::on_pat(const pat_table& pat, program_change& out) {
  facts_.transport_stream_id = pat.transport_stream_id;
  auto listed = pat.programs;
  if (listed.size() > programs_max) listed.resize(programs_max);
  // A PMT that was read under another PID, or of a program that is gone, is no longer known.
  std::erase_if(pmts_, [&](const auto& known) {
    const auto find = [&](const auto& list) {
      return std::find_if(list.begin(), list.end(), [&](const auto& p) { return p.number == known.first; });
    };
    const auto now = find(listed), before = find(listed_);
    return now == listed.end() || before == listed_.end() || now->pmt_pid != before->pmt_pid;
  });
  listed_ = std::move(listed);
  facts_.programs.clear();
  for (const auto& p : listed_) facts_.programs.push_back(p.number);
  std::erase_if(assemblers_, [&](const auto& a) {
    return a.first != 0 && !is_fixed(a.first) &&
           std::none_of(listed_.begin(), listed_.end(), [&](const auto& p) { return p.pmt_pid == a.first; });
  });
  std::erase_if(states_, [&](const auto& s) { return std::get<0>(s.first) != 0 && !wants(std::get<0>(s.first)); });
  std::erase_if(pmt_gaps_, [&](const auto& g) { return !wants(g.first); });
  for (const auto& p : listed_)
    if (p.pmt_pid >= 0x10 && p.pmt_pid < null_pid && !is_fixed(p.pmt_pid)) assemblers_.try_emplace(p.pmt_pid);
  // States of PMTs that were just forgotten must not keep the same PMT from being read again.
  for (auto s = states_.begin(); s != states_.end();) {
    const bool forgotten = std::get<1>(s->first) == 0x02 && !pmts_.contains(std::get<2>(s->first));
    s = forgotten ? states_.erase(s) : std::next(s);
  }
  out.facts = true;
  select(out);
}

void program_reader::select(program_change& out) {
  std::optional<uint16_t> number = choice_.program_number;
  if (choice_.channel) {
    for (const auto& c : facts_.channels)
      if (c.channel == choice_.channel) number = c.program_number;
  } else if (!number && listed_.size() == 1) {
    number = listed_[0].number;
  }
  const auto pmt = number ? pmts_.find(*number) : pmts_.end();
  const auto listed = std::find_if(listed_.begin(), listed_.end(), [&](const auto& p) { return number && p.number == *number; });
  out.unsure = !listed_.empty() && (!number || listed == listed_.end());
  if (pmt == pmts_.end()) {
    // Between a new PAT and its PMT the old selection goes on: a PAT may change for other programs' sake.
    if (facts_.selected && (listed == listed_.end() || facts_.program_number != *number)) {
      facts_.selected = false;
      facts_.streams.clear();
      out.selection = true;
    }
    return;
  }
  auto streams = carried(pmt->second);
  facts_.pmt_pid = listed != listed_.end() ? listed->pmt_pid : null_pid;
  if (facts_.selected && facts_.program_number == *number && facts_.streams == streams && facts_.pcr_pid == pmt->second.pcr_pid) return;
  facts_.selected = true;
  facts_.program_number = *number;
  facts_.pcr_pid = pmt->second.pcr_pid;
  facts_.streams = std::move(streams);
  out.selection = true;
}

std::string program_reader::problem() const {
  if (facts_.selected || listed_.empty()) return {};
  std::string list;
  for (const auto& p : listed_) {
    list += list.empty() ? "" : ",";
    list += std::to_string(p.number);
    for (const auto& c : facts_.channels)
      if (c.program_number == p.number) {
        list += "(";
        if (c.channel) list += std::to_string(c.channel->major) + "." + std::to_string(c.channel->minor) + " ";
        list += c.name + ")";
      }
  }
  return list;
}

} // namespace ec::ts
