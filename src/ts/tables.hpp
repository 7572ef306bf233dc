#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

/// PSI, PSIP and the few DVB tables that the node reads, decoded. The decoder library stays behind this header.
namespace ec::ts {

/// One descriptor as sent.
struct descriptor {
  uint8_t tag = 0;
  std::vector<uint8_t> data;
  friend bool operator==(const descriptor&, const descriptor&) = default;
};

/// Program association table [13818-1 2.4.4.3].
struct pat_table {
  struct program {
    uint16_t number = 0;  ///< never 0: the network PID is left out
    uint16_t pmt_pid = 0;
    friend bool operator==(const program&, const program&) = default;
  };
  uint16_t transport_stream_id = 0;
  std::vector<program> programs;
};

/// Program map table [13818-1 2.4.4.8].
struct pmt_table {
  struct stream {
    uint8_t type = 0; ///< stream_type
    uint16_t pid = 0;
    std::vector<descriptor> descriptors;
  };
  uint16_t program_number = 0;
  uint16_t pcr_pid = 0x1fff; ///< 0x1fff: none
  std::vector<stream> streams;
};

/// Terrestrial or cable virtual channel table [A/65 6.3].
struct vct_table {
  struct channel {
    std::string short_name; ///< UTF-8
    uint16_t major = 0;
    uint16_t minor = 0;     ///< 0 for the one-part numbers of cable
    uint16_t channel_tsid = 0;
    uint16_t program_number = 0;
    uint16_t source_id = 0;
    uint8_t service_type = 0;
    bool hidden = false;
  };
  bool cable = false;
  uint16_t transport_stream_id = 0;
  std::vector<channel> channels;
};

/// Master guide table [A/65 6.2].
struct mgt_table {
  struct entry {
    uint16_t type = 0;
    uint16_t pid = 0;
    uint8_t version = 0;
  };
  std::vector<entry> entries;
};

/// System time table [A/65 6.1].
struct stt_table {
  uint32_t system_time = 0; ///< GPS seconds since 1980-01-06
  uint8_t gps_utc_offset = 0;
  /// Milliseconds since the Unix epoch by the offset that the station sends, right or wrong.
  int64_t unix_ms() const { return (int64_t{system_time} + 315'964'800 - gps_utc_offset) * 1000; }
};

/// Names of the services in a service description table [EN 300 468 5.2.3].
struct sdt_table {
  struct service {
    uint16_t id = 0;
    std::string provider; ///< as sent, without leading character set codes
    std::string name;
  };
  uint16_t transport_stream_id = 0;
  uint16_t original_network_id = 0;
  std::vector<service> services;
};

/// What a network information table says of its network, that which carries it [EN 300 468 5.2.1].
struct nit_table {
  struct transport_stream {
    uint16_t id = 0;
    uint16_t original_network_id = 0;
  };
  uint16_t network_id = 0;
  std::string name; ///< as sent, without a leading character set code; empty if it has none
  std::vector<transport_stream> transport_streams;
  /// The original_network_id of this multiplex; nothing if the table does not list it, or under several.
  std::optional<uint16_t> network_of(uint16_t transport_stream_id) const;
};

/// Each decodes the sections of one table in order of section_number; their CRCs were checked. Errors: malformed.
[[nodiscard]] base::result<pat_table> decode_pat(std::span<const std::vector<uint8_t>> sections);
[[nodiscard]] base::result<pmt_table> decode_pmt(std::span<const std::vector<uint8_t>> sections);
[[nodiscard]] base::result<vct_table> decode_vct(std::span<const std::vector<uint8_t>> sections);
[[nodiscard]] base::result<mgt_table> decode_mgt(std::span<const std::vector<uint8_t>> sections);
[[nodiscard]] base::result<stt_table> decode_stt(std::span<const uint8_t> section);
/// TDT or TOT: milliseconds since the Unix epoch [EN 300 468 5.2.5].
[[nodiscard]] base::result<int64_t> decode_tdt(std::span<const uint8_t> section);
[[nodiscard]] base::result<sdt_table> decode_sdt(std::span<const std::vector<uint8_t>> sections);
[[nodiscard]] base::result<nit_table> decode_nit(std::span<const std::vector<uint8_t>> sections);

} // namespace ec::ts
