#include "tuner/discover.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <future>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <libhdhomerun/hdhomerun.h>

#include "base/clock.hpp"
#include "base/limits_tuner.hpp"
#include "tuner/device.hpp"

namespace ec::tuner {
namespace {

using base::errc;
using base::fail;
using std::chrono::milliseconds;

constexpr net::http_timeouts document_timeouts{.connect = milliseconds(1000), .header = milliseconds(2000), .stall = milliseconds(1000)};

struct finder_closer {
  void operator()(hdhomerun_discover_t* f) const { hdhomerun_discover_destroy(f); }
};

base::result<uint32_t> address_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET; // the protocol has no other
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) return fail(errc::not_found, gai_strerror(code), host);
  const auto address = ntohl(reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr.s_addr);
  freeaddrinfo(found);
  return address;
}

std::string text_of(uint32_t address) {
  const in_addr in{htonl(address)};
  std::array<char, INET_ADDRSTRLEN> out{};
  inet_ntop(AF_INET, &in, out.data(), out.size());
  return out.data();
}

/// A field of fixed size, whether its NUL is there or not.
template <size_t N>
std::string text_of(const char (&field)[N]) {
  return {field, strnlen(field, N)};
}

discovered_device device_of(const hdhomerun_discover_device_v3_t& told) {
  discovered_device out;
  out.address = text_of(told.ip_addr);
  std::array<char, 9> id{};
  std::snprintf(id.data(), id.size(), "%08X", static_cast<unsigned>(told.device_id));
  out.device_id = id.data();
  out.tuners = told.tuner_count;
  out.legacy = told.is_legacy;
  // Of the URL that it names only the port counts.
  uint16_t port = 80;
  if (const auto named = net::parse_url(text_of(told.base_url)); named && named.value().host == out.address) port = named.value().port;
  out.base_url = "http://" + net::url{"http", out.address, port, "/", ""}.authority();
  return out;
}

/// A device with more than one address answers from each: once is enough.
void add(std::vector<discovered_device>& all, discovered_device device) {
  if (all.size() >= base::limits::discovered_devices_max) return;
  if (std::ranges::none_of(all, [&](const discovered_device& d) { return d.device_id == device.device_id; })) all.push_back(std::move(device));
}

void add_documents(std::vector<discovered_device>& all) {
  std::vector<std::future<void>> asked;
  for (auto& device : all) {
    if (device.document) continue;
    asked.push_back(std::async(std::launch::async, [&device] {
      const auto at = net::parse_url(device.base_url + "/");
      if (!at) return;
      if (auto said = ask_discover(at.value().host, at.value().port, document_timeouts)) device.document = std::move(said).value();
    }));
  }
  for (auto& a : asked) a.get();
}

} // namespace

base::result<std::vector<discovered_device>> discover(const discover_question& question) {
  uint32_t id = HDHOMERUN_DEVICE_ID_WILDCARD;
  if (!question.device_id.empty()) {
    if (!device_id_valid(question.device_id)) return fail(errc::invalid_argument, "this is no device id: eight hexadecimal digits, of which one checks the others", question.device_id);
    std::from_chars(question.device_id.data(), question.device_id.data() + question.device_id.size(), id, 16);
  }
  uint32_t address = 0;
  if (!question.host.empty()) {
    EC_TRY(address, address_of(question.host));
  }
  const std::unique_ptr<hdhomerun_discover_t, finder_closer> finder(hdhomerun_discover_create(nullptr));
  if (!finder) return fail(errc::io, "cannot make a socket to discover with");
  const bool one = address != 0 || !question.device_id.empty();
  const auto deadline = base::mono_now() + question.wait;
  std::vector<discovered_device> all;
  do {
    std::array<hdhomerun_discover_device_v3_t, base::limits::discovered_devices_max> told{};
    const int count = hdhomerun_discover_find_devices_v3(finder.get(), address, HDHOMERUN_DEVICE_TYPE_TUNER, id, told.data(), one ? 1 : static_cast<int>(told.size()));
    if (count < 0) return fail(errc::io, "cannot send the question: is there a network?");
    for (int i = 0; i < count; ++i) add(all, device_of(told[static_cast<size_t>(i)]));
  } while (base::mono_now() < deadline && !(one && !all.empty()));
  if (all.empty() && !question.host.empty()) {
    // Behind a router, or another port: its documents may be all that it shows.
    discovered_device device;
    device.address = text_of(address);
    device.by_protocol = false;
    device.base_url = "http://" + net::url{"http", device.address, question.port, "/", ""}.authority();
    auto said = ask_discover(device.address, question.port, document_timeouts);
    if (!said) return all;
    device.document = std::move(said).value();
    device.device_id = device.document->device_id.value_or("");
    device.tuners = device.document->tuner_count.value_or(0);
    device.legacy = device.document->legacy.value_or(false);
    if (device.document->is_tuner() && (question.device_id.empty() || (device_id_valid(device.device_id) && std::strtoul(device.device_id.c_str(), nullptr, 16) == id)))
      all.push_back(std::move(device));
  }
  add_documents(all);
  std::ranges::sort(all, {}, &discovered_device::device_id);
  return all;
}

} // namespace ec::tuner
