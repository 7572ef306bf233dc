#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/limits_qlog.hpp"
#include "base/result.hpp"

/// What happens inside of connections, for who looks for a fault: packets, frames, losses, as the QUIC library writes them.
namespace ec::quic {

/// The notes of one connection; ends with it.
class qlog_trace {
public:
  virtual ~qlog_trace() = default;
  /// What follows: whole records of a JSON text sequence [RFC 7464] as draft-ietf-quic-qlog-main-schema has them. Must not throw.
  virtual void write(std::string_view records) = 0;
};

/// Where the connections of an endpoint leave their notes. Called on the endpoint's thread.
class qlog {
public:
  virtual ~qlog() = default;
  /// `connection`: the destination id that the client chose first, in hexadecimal; both ends know it. Nothing: this one is not noted.
  virtual std::unique_ptr<qlog_trace> begin(std::string_view connection, bool server) = 0;
};

/// How much a folder of notes may hold.
struct qlog_bounds {
  size_t connections_max = base::limits::qlog_connections_max; ///< later ones are not noted
  size_t trace_bytes_max = base::limits::qlog_trace_bytes_max; ///< of one file; its last record then says so
};

/// A file for each connection in `folder`, which is made if need be: `ID_client.sqlog`, `ID_server.sqlog`, with rights for its owner
/// alone, since it tells who watches what. A file that cannot be written any more ends; the connection does not notice.
/// Errors: those of a folder in which no file can be made (permission, io).
[[nodiscard]] base::result<std::shared_ptr<qlog>> qlog_folder(const std::filesystem::path& folder, qlog_bounds bounds = {},
  base::disk& on = base::system_disk());

} // namespace ec::quic
