#pragma once

#include <memory>
#include <string>

#include "tuner/internal/control_device.hpp"

namespace ec::tuner::internal {

/// The sockets of the control port: one thread that answers datagrams (discovery) and connections (control) at the same address. At most
/// limits::control_connections_max connections; the one that was silent longest is closed for one more.
class control_server {
public:
  /// `listen`: "127.0.0.1:65001"; port 0: any that is free for both. `documents`: where the HTTP server is bound, "host:port"; for a
  /// wildcard host each client is told the address by which it came. Errors: malformed, io (in use, ...).
  [[nodiscard]] static base::result<std::unique_ptr<control_server>> start(const std::string& listen, std::string documents, control_device_config config);
  ~control_server();
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;

  /// "host:port" as bound.
  const std::string& address() const;
  /// Ends all streams and connections and joins the thread. Idempotent.
  void stop();

private:
  struct state;
  explicit control_server(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace ec::tuner::internal
