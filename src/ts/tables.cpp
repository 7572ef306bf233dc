#include "ts/tables.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>
#include <memory>

extern "C" {
#include <dvbpsi/dvbpsi.h>
#include <dvbpsi/psi.h>
#include <dvbpsi/descriptor.h>
#include <dvbpsi/demux.h>
#include <dvbpsi/pat.h>
#include <dvbpsi/pmt.h>
#include <dvbpsi/sdt.h>
#include <dvbpsi/nit.h>
#include <dvbpsi/tot.h>
#include <dvbpsi/atsc_vct.h>
#include <dvbpsi/atsc_stt.h>
#include <dvbpsi/atsc_mgt.h>
}

#include "ts/internal/section_shape.hpp"
#include "ts/packet.hpp"
#include "ts/section.hpp"

namespace ec::ts {
namespace {

using sections = std::span<const std::vector<uint8_t>>;

struct handle_deleter {
  void operator()(dvbpsi_t* h) const { dvbpsi_delete(h); }
};
using handle = std::unique_ptr<dvbpsi_t, handle_deleter>;

/// What the library may be given: sections of the wanted table that do not lie about their lengths.
base::result<void> sound(sections in, std::initializer_list<uint8_t> tables, const char* what) {
  for (const auto& s : in)
    if (s.empty() || std::ranges::find(tables, s[0]) == tables.end() || !internal::lengths_fit(s))
      return base::fail(base::errc::malformed, "a length in the section is wrong", what);
  if (in.empty()) return base::fail(base::errc::malformed, "no section", what);
  return base::ok();
}

/// The library takes packets: each section travels in packets made for the purpose. Its state lives for one table only, so
/// that nothing it remembers (version, counter) can keep a table back.
void feed(dvbpsi_t* h, sections all) {
  uint8_t counter = 0;
  for (const auto& section : all) {
    size_t at = 0;
    while (at < section.size()) {
      std::array<uint8_t, packet_bytes> packet;
      packet.fill(0xff);
      size_t head = 4;
      packet[0] = sync_byte;
      packet[1] = at == 0 ? 0x40 : 0x00;
      packet[2] = 0x10;
      packet[3] = static_cast<uint8_t>(0x10 | counter);
      counter = (counter + 1) & 0x0f;
      if (at == 0) packet[head++] = 0;
      const size_t n = std::min(section.size() - at, packet_bytes - head);
      std::copy_n(section.begin() + static_cast<ptrdiff_t>(at), n, packet.begin() + static_cast<ptrdiff_t>(head));
      at += n;
      dvbpsi_packet_push(h, packet.data());
    }
  }
}

std::vector<descriptor> descriptors(const dvbpsi_descriptor_t* d) {
  std::vector<descriptor> out;
  for (; d; d = d->p_next) out.push_back({d->i_tag, {d->p_data, d->p_data + d->i_length}});
  return out;
}

void put_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

/// DVB text without its character set: what is no ASCII or Latin-1 letter is dropped [EN 300 468 annex A].
std::string dvb_text(std::span<const uint8_t> in) {
  if (!in.empty() && in[0] == 0x10) in = in.subspan(std::min<size_t>(3, in.size()));
  std::string out;
  for (const uint8_t c : in)
    if (c >= 0x20 && c != 0x7f && (c < 0x80 || c >= 0xa0)) put_utf8(out, c);
  return out;
}

/// One decode through the demultiplexer of the library: `attach` hangs the decoder on when the wanted table shows up.
struct demux_run {
  uint8_t table_id;
  std::function<void(dvbpsi_t*, uint8_t, uint16_t)> attach;
  uint16_t extension = 0;
  bool attached = false;

  static void on_new(dvbpsi_t* h, uint8_t table, uint16_t extension, void* self) {
    auto& run = *static_cast<demux_run*>(self);
    if (table != run.table_id || run.attached) return;
    run.attached = true;
    run.extension = extension;
    run.attach(h, table, extension);
  }
};

void run_demux(sections in, demux_run& run) {
  handle h(dvbpsi_new(nullptr, DVBPSI_MSG_NONE));
  if (!h || !dvbpsi_AttachDemux(h.get(), &demux_run::on_new, &run)) return;
  feed(h.get(), in);
  dvbpsi_DetachDemux(h.get());
}

template <class Table>
base::result<Table> answer(std::optional<Table>&& found, const char* what) {
  if (!found) return base::fail(base::errc::malformed, "the table does not decode", what);
  return std::move(*found);
}

} // namespace

base::result<pat_table> decode_pat(sections in) {
  EC_TRYV(sound(in, {0x00}, "PAT"));
  std::optional<pat_table> found;
  handle h(dvbpsi_new(nullptr, DVBPSI_MSG_NONE));
  const auto on_pat = [](void* to, dvbpsi_pat_t* pat) {
    pat_table out;
    out.transport_stream_id = pat->i_ts_id;
    for (auto* p = pat->p_first_program; p; p = p->p_next)
      if (p->i_number != 0) out.programs.push_back({p->i_number, p->i_pid});
    *static_cast<std::optional<pat_table>*>(to) = std::move(out);
    dvbpsi_pat_delete(pat);
  };
  if (h && dvbpsi_pat_attach(h.get(), on_pat, &found)) {
    feed(h.get(), in);
    dvbpsi_pat_detach(h.get());
  }
  return answer(std::move(found), "PAT");
}

base::result<pmt_table> decode_pmt(sections in) {
  std::optional<pmt_table> found;
  EC_TRYV(sound(in, {0x02}, "PMT"));
  const auto number = static_cast<uint16_t>(in[0][3] << 8 | in[0][4]);
  handle h(dvbpsi_new(nullptr, DVBPSI_MSG_NONE));
  const auto on_pmt = [](void* to, dvbpsi_pmt_t* pmt) {
    pmt_table out;
    out.program_number = pmt->i_program_number;
    out.pcr_pid = pmt->i_pcr_pid;
    for (auto* s = pmt->p_first_es; s; s = s->p_next) out.streams.push_back({s->i_type, s->i_pid, descriptors(s->p_first_descriptor)});
    *static_cast<std::optional<pmt_table>*>(to) = std::move(out);
    dvbpsi_pmt_delete(pmt);
  };
  if (h && dvbpsi_pmt_attach(h.get(), number, on_pmt, &found)) {
    feed(h.get(), in);
    dvbpsi_pmt_detach(h.get());
  }
  return answer(std::move(found), "PMT");
}

base::result<vct_table> decode_vct(sections in) {
  std::optional<vct_table> found;
  EC_TRYV(sound(in, {0xc8, 0xc9}, "VCT"));
  const auto on_vct = [](void* to, dvbpsi_atsc_vct_t* vct) {
    vct_table out;
    out.cable = vct->b_cable_vct;
    out.transport_stream_id = vct->i_extension;
    for (auto* c = vct->p_first_channel; c; c = c->p_next) {
      vct_table::channel channel;
      for (size_t i = 0; i + 1 < sizeof c->i_short_name; i += 2) {
        const uint32_t unit = static_cast<uint32_t>(c->i_short_name[i] << 8 | c->i_short_name[i + 1]);
        if (unit != 0 && (unit < 0xd800 || unit > 0xdfff)) put_utf8(channel.short_name, unit);
      }
      while (!channel.short_name.empty() && channel.short_name.back() == ' ') channel.short_name.pop_back();
      channel.major = c->i_major_number;
      channel.minor = c->i_minor_number;
      if (out.cable && (c->i_major_number & 0x3f0) == 0x3f0) { // one-part number [A/65 6.3.2]
        channel.major = static_cast<uint16_t>((c->i_major_number & 0x0f) << 10 | c->i_minor_number);
        channel.minor = 0;
      }
      channel.channel_tsid = c->i_channel_tsid;
      channel.program_number = c->i_program_number;
      channel.source_id = c->i_source_id;
      channel.service_type = c->i_service_type;
      channel.hidden = c->b_hidden;
      out.channels.push_back(std::move(channel));
    }
    *static_cast<std::optional<vct_table>*>(to) = std::move(out);
    dvbpsi_atsc_DeleteVCT(vct);
  };
  demux_run run{in[0][0], [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_atsc_AttachVCT(h, t, e, on_vct, &found); }};
  run_demux(in, run);
  return answer(std::move(found), "VCT");
}

base::result<mgt_table> decode_mgt(sections in) {
  EC_TRYV(sound(in, {0xc7}, "MGT"));
  std::optional<mgt_table> found;
  const auto on_mgt = [](void* to, dvbpsi_atsc_mgt_t* mgt) {
    mgt_table out;
    for (auto* t = mgt->p_first_table; t; t = t->p_next) out.entries.push_back({t->i_table_type, t->i_table_type_pid, t->i_table_type_version});
    *static_cast<std::optional<mgt_table>*>(to) = std::move(out);
    dvbpsi_atsc_DeleteMGT(mgt);
  };
  demux_run run{0xc7, [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_atsc_AttachMGT(h, t, e, on_mgt, &found); }};
  run_demux(in, run);
  return answer(std::move(found), "MGT");
}

base::result<stt_table> decode_stt(std::span<const uint8_t> section) {
  std::optional<stt_table> found;
  const auto on_stt = [](void* to, dvbpsi_atsc_stt_t* stt) {
    *static_cast<std::optional<stt_table>*>(to) = stt_table{stt->i_system_time, stt->i_gps_utc_offset};
    dvbpsi_atsc_DeleteSTT(stt);
  };
  std::vector<uint8_t> one[] = {{section.begin(), section.end()}};
  EC_TRYV(sound(one, {0xcd}, "STT"));
  // table_id_extension is 0 [A/65 6.1]; libdvbpsi 1.3 never frees the decoder of another.
  one[0][3] = one[0][4] = 0;
  one[0].resize(one[0].size() - 4);
  append_crc(one[0]);
  demux_run run{0xcd, [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_atsc_AttachSTT(h, t, e, on_stt, &found); }};
  run_demux(one, run);
  return answer(std::move(found), "STT");
}

base::result<int64_t> decode_tdt(std::span<const uint8_t> section) {
  std::optional<uint64_t> found;
  const auto on_tot = [](void* to, dvbpsi_tot_t* tot) {
    *static_cast<std::optional<uint64_t>*>(to) = uint64_t{tot->i_utc_time};
    dvbpsi_tot_delete(tot);
  };
  const std::vector<uint8_t> one[] = {{section.begin(), section.end()}};
  EC_TRYV(sound(one, {0x70, 0x73}, "TDT"));
  demux_run run{section[0], [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_tot_attach(h, t, e, on_tot, &found); }};
  run_demux(one, run);
  if (!found) return base::fail(base::errc::malformed, "the table does not decode", "TDT");
  // 16 bits of modified Julian date, then six BCD digits of time [EN 300 468 annex C].
  const auto bcd = [](uint64_t v) { return static_cast<int64_t>((v >> 4 & 0xf) * 10 + (v & 0xf)); };
  const int64_t days = static_cast<int64_t>(*found >> 24 & 0xffff) - 40'587;
  const int64_t seconds = bcd(*found >> 16 & 0xff) * 3600 + bcd(*found >> 8 & 0xff) * 60 + bcd(*found & 0xff);
  if (seconds >= 86'400 || days < 0) return base::fail(base::errc::malformed, "no time of day", "TDT");
  return (days * 86'400 + seconds) * 1000;
}

base::result<sdt_table> decode_sdt(sections in) {
  EC_TRYV(sound(in, {0x42}, "SDT"));
  std::optional<sdt_table> found;
  const auto on_sdt = [](void* to, dvbpsi_sdt_t* sdt) {
    sdt_table out;
    out.transport_stream_id = sdt->i_extension;
    out.original_network_id = sdt->i_network_id;
    for (auto* s = sdt->p_first_service; s; s = s->p_next) {
      sdt_table::service service{s->i_service_id, {}, {}};
      for (const auto& d : descriptors(s->p_first_descriptor)) {
        if (d.tag != 0x48 || d.data.size() < 3) continue; // service_descriptor
        const std::span<const uint8_t> all = d.data;
        const size_t provider = all[1];
        if (2 + provider >= all.size()) continue;
        service.provider = dvb_text(all.subspan(2, provider));
        const size_t name = all[2 + provider];
        service.name = dvb_text(all.subspan(3 + provider, std::min(name, all.size() - 3 - provider)));
      }
      out.services.push_back(std::move(service));
    }
    *static_cast<std::optional<sdt_table>*>(to) = std::move(out);
    dvbpsi_sdt_delete(sdt);
  };
  demux_run run{0x42, [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_sdt_attach(h, t, e, on_sdt, &found); }};
  run_demux(in, run);
  return answer(std::move(found), "SDT");
}

std::optional<uint16_t> nit_table::network_of(uint16_t transport_stream_id) const {
  std::optional<uint16_t> out;
  for (const auto& t : transport_streams) {
    if (t.id != transport_stream_id) continue;
    if (out && *out != t.original_network_id) return std::nullopt;
    out = t.original_network_id;
  }
  return out;
}

base::result<nit_table> decode_nit(sections in) {
  EC_TRYV(sound(in, {0x40}, "NIT"));
  std::optional<nit_table> found;
  const auto on_nit = [](void* to, dvbpsi_nit_t* nit) {
    nit_table out;
    out.network_id = nit->i_network_id;
    for (const auto& d : descriptors(nit->p_first_descriptor))
      if (d.tag == 0x40) out.name = dvb_text(d.data); // network_name_descriptor
    for (auto* t = nit->p_first_ts; t; t = t->p_next) out.transport_streams.push_back({t->i_ts_id, t->i_orig_network_id});
    *static_cast<std::optional<nit_table>*>(to) = std::move(out);
    dvbpsi_nit_delete(nit);
  };
  demux_run run{0x40, [&](dvbpsi_t* h, uint8_t t, uint16_t e) { dvbpsi_nit_attach(h, t, e, on_nit, &found); }};
  run_demux(in, run);
  return answer(std::move(found), "NIT");
}

} // namespace ec::ts
