#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "ts/chunk.hpp"
#include "ts/packet.hpp"
#include "ts/section.hpp"
#include "ts/tables.hpp"

namespace ec::ts {

/// What an elementary stream is, as far as the cutter treats it differently.
enum class codec : uint8_t { none, mpeg_video, h264, hevc, mpeg_audio, adts, latm, ac3, other_audio };
std::string_view name(codec c);
inline bool is_video(codec c) { return c == codec::mpeg_video || c == codec::h264 || c == codec::hevc; }

/// One stream of the selected program that goes into chunks.
struct program_stream {
  uint16_t pid = 0;
  uint8_t type = 0; ///< stream_type
  codec kind = codec::none;
  std::string language;                ///< ISO 639, empty if none is sent
  std::vector<descriptor> descriptors; ///< those that the canonical PMT repeats
  friend bool operator==(const program_stream&, const program_stream&) = default;
};

/// A virtual channel or DVB service of the multiplex.
struct channel_facts {
  std::string name;
  std::optional<virtual_channel> channel; ///< nothing in DVB
  uint16_t program_number = 0;
  uint16_t source_id = 0;
};

/// Which table lists the channels.
enum class channel_list : uint8_t { none, terrestrial_vct, cable_vct, sdt, nit };

/// The multiplex and the program under the cutter, as read: for display and identity.
struct program_facts {
  std::optional<uint16_t> transport_stream_id;   ///< by the PAT
  std::optional<uint16_t> original_network_id;   ///< by the SDT, else the NIT
  std::vector<uint16_t> programs;                ///< all numbers that the PAT lists
  channel_list channels_by = channel_list::none;
  std::optional<uint16_t> channels_transport_stream_id; ///< by that table
  std::vector<channel_facts> channels;           ///< by VCT, else SDT; with a NIT alone the programs of the PAT, without names
  std::string network_name;                      ///< by the NIT, where there is no SDT
  bool selected = false;                         ///< false: everything below is empty
  uint16_t program_number = 0;
  uint16_t pmt_pid = null_pid;
  uint16_t pcr_pid = null_pid;
  std::vector<program_stream> streams;           ///< carried, in the order of the PMT, each PID once
  /// The channel that the program is, if a VCT or SDT names it.
  const channel_facts* channel() const;
};

/// Codec of a PMT entry; none if it is neither audio nor video that we know.
codec classify(const pmt_table::stream& s);

/// What a packet of PSI changed.
struct program_change {
  bool facts = false;    ///< names, lists
  bool selection = false; ///< the program or its carried streams changed
  bool clean = true;     ///< with selection: the PMT's counter shows that no PMT was missed before this one
  std::optional<int64_t> broadcast_unix_ms; ///< an STT, TDT or TOT ended in this packet
  bool renewed = false;  ///< the PMT of the selected program has a new version, and the program is the same
  bool nit_differs = false; ///< NIT and SDT name different networks for the multiplex
  bool unsure = false;   ///< several programs and no choice, or the named channel is not there
};

/// Reads PAT, PMTs, VCT, STT, MGT, SDT, NIT, TDT and TOT and selects a program. Pure.
class program_reader {
public:
  explicit program_reader(program_choice choice) : choice_(choice) {}

  /// True if packets of this PID go to push().
  bool wants(uint16_t pid) const { return pid == nit_pid ? wants_nit_pid() : pid == 0 || assemblers_.contains(pid) || is_fixed(pid); }
  /// All of them.
  std::vector<uint16_t> wanted() const;
  /// One packet of a wanted PID, without transport_error.
  program_change push(packet_view packet);
  /// Input was missed: sections under way are dropped; facts stay.
  void lost();
  const program_facts& facts() const { return facts_; }
  const std::optional<mgt_table>& mgt() const { return mgt_; }
  const std::optional<nit_table>& nit() const { return nit_; }
  /// Why no program is selected, for a note; empty if one is or nothing was read yet.
  std::string problem() const;
  /// Sections seen by (PID, table_id), bad CRCs left out.
  const std::map<std::pair<uint16_t, uint8_t>, uint64_t>& tables() const { return tables_; }
  uint64_t crc_errors() const;

private:
  /// Sections of one table under collection: a table counts when all its section numbers are there in one version.
  struct table_state {
    uint32_t fingerprint = 0;
    uint8_t version = 0xff;
    std::map<uint8_t, std::vector<uint8_t>> parts;
  };
  static bool is_fixed(uint16_t pid) { return pid == 0x1ffb || pid == 0x11 || pid == 0x14; }
  void on_section(uint16_t pid, std::span<const uint8_t> section, program_change& out);
  /// The sections of the table that this one completes or renews; empty if it is incomplete or known already.
  std::vector<std::vector<uint8_t>> collect(uint16_t pid, std::span<const uint8_t> section);
  void on_pat(const pat_table& pat, program_change& out);
  /// The PID of the NIT may be anything in a stream that is not DVB: a PMT (of program 1 in old ATSC), or one of its streams.
  static constexpr uint16_t nit_pid = 0x10;
  bool wants_nit_pid() const;
  bool is_pmt_pid(uint16_t pid) const;
  /// Where the SDT stays away the NIT says whose multiplex it is; where both are there they are compared.
  void consult_nit(program_change& out);
  void compare_nit(program_change& out) const;
  void select(program_change& out);

  program_choice choice_;
  program_facts facts_;
  std::optional<mgt_table> mgt_;
  std::optional<nit_table> nit_;
  std::vector<pat_table::program> listed_;
  std::map<uint16_t, pmt_table> pmts_; ///< by program number
  std::map<uint16_t, section_assembler> assemblers_;
  std::map<std::tuple<uint16_t, uint8_t, uint16_t>, table_state> states_;
  std::map<std::pair<uint16_t, uint8_t>, uint64_t> tables_;
  std::map<uint16_t, uint64_t> pmt_gaps_; ///< by PMT PID: gaps() when its last PMT was read
  bool have_vct_ = false;
};

} // namespace ec::ts
