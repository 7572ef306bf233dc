#include "tuner/device.hpp"

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;

base::result<std::string> document(const net::url& from, const net::http_timeouts& timeouts) {
  EC_TRY(const auto answer, net::http_get(from, timeouts));
  if (answer.status != 200) return fail(errc::refused, "answers with HTTP status " + std::to_string(answer.status), from.text());
  return std::string(answer.body.text());
}

} // namespace

base::result<discover_document> ask_discover(const std::string& host, uint16_t port, const net::http_timeouts& timeouts) {
  EC_TRY(const auto text, document({"http", host, port, "/discover.json", ""}, timeouts));
  return parse_discover(text);
}

base::result<device_documents> ask_device(const std::string& host, uint16_t port, const net::http_timeouts& timeouts) {
  net::url at{"http", host, port, "/lineup.json", "tuning"};
  device_documents out;
  out.from = "http://" + at.authority();
  EC_TRY(const auto lineup, document(at, timeouts));
  auto read = parse_lineup(lineup);
  if (!read) {
    auto why = read.error();
    why.about = at.text();
    return fail(std::move(why));
  }
  out.lineup = std::move(read).value();
  at.query.clear();
  if (auto discover = ask_discover(host, port, timeouts)) out.discover = std::move(discover).value();
  at.path = "/lineup_status.json";
  if (const auto text = document(at, timeouts))
    if (auto status = parse_lineup_status(text.value())) out.status = std::move(status).value();
  return out;
}

base::result<device_documents> ask_device_of(const net::url& stream, const net::http_timeouts& timeouts) {
  constexpr uint16_t documents_port = 80;
  auto own = ask_device(stream.host, stream.port, timeouts);
  if (own || stream.port == documents_port) return own;
  auto usual = ask_device(stream.host, documents_port, timeouts);
  if (usual) return usual;
  // Of the two the one that spoke at all says more.
  return own.error().code == errc::closed ? std::move(usual) : std::move(own);
}

} // namespace ec::tuner
