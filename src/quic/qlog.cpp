#include "quic/qlog.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/file.hpp"

namespace ec::quic {
namespace {

/// Written in blocks: the library hands over a record of some hundred bytes for each packet.
constexpr size_t block_bytes = 16u << 10;

/// Its file is open while a block is written only: as many connections as are noted need not have a descriptor each.
class file_trace final : public qlog_trace {
public:
  file_trace(std::string path, base::disk& on, size_t bytes_max) : path_(std::move(path)), disk_(on), left_(bytes_max) {}
  ~file_trace() override { put(); }

  void write(std::string_view records) override {
    if (over_) return;
    if (records.size() > left_) {
      block_ += "\x1e{\"name\":\"generic:error\",\"data\":{\"message\":\"the file is at its bound, the rest is not noted\"}}\n";
      put();
      over_ = true;
      return;
    }
    left_ -= records.size();
    block_ += records;
    if (block_.size() >= block_bytes) put();
  }

private:
  void put() {
    if (over_ || block_.empty()) return;
    const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(block_.data()), block_.size()};
    auto file = base::append_file::open(path_, 0600, disk_);
    over_ = !file || !file.value().append(std::array{bytes}, base::durability::process);
    block_.clear();
  }

  std::string path_;
  base::disk& disk_;
  size_t left_;
  bool over_ = false; ///< nothing more is noted
  std::string block_;
};

class folder_qlog final : public qlog {
public:
  folder_qlog(std::filesystem::path folder, qlog_bounds bounds, base::disk& on) : folder_(std::move(folder)), bounds_(bounds), disk_(on) {}

  std::unique_ptr<qlog_trace> begin(std::string_view connection, bool server) override {
    if (begun_ == bounds_.connections_max) return nullptr;
    ++begun_;
    const auto path = folder_ / (std::string(connection) + (server ? "_server.sqlog" : "_client.sqlog"));
    return std::make_unique<file_trace>(path.string(), disk_, bounds_.trace_bytes_max);
  }

private:
  std::filesystem::path folder_;
  qlog_bounds bounds_;
  base::disk& disk_;
  size_t begun_ = 0;
};

} // namespace

base::result<std::shared_ptr<qlog>> qlog_folder(const std::filesystem::path& folder, qlog_bounds bounds, base::disk& on) {
  const auto refused = [&](int rc) {
    const auto code = rc == -EACCES || rc == -EPERM || rc == -EROFS ? base::errc::permission : base::errc::io;
    return base::fail(code, "no qlog can be written to " + folder.string() + ": " + std::strerror(-rc));
  };
  if (const int rc = on.make_folders(folder.string()); rc < 0) return refused(rc);
  std::string probe = (folder / ".probe.XXXXXX").string();
  const int fd = on.open_temporary(probe, 0);
  if (fd < 0) return refused(fd);
  on.close(fd);
  on.remove(probe);
  return std::static_pointer_cast<qlog>(std::make_shared<folder_qlog>(folder, bounds, on));
}

} // namespace ec::quic
