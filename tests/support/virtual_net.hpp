#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "quic/endpoint.hpp"

/// A simulated UDP network in virtual time: delay, rate, loss, and endpoints that are driven without a clock.
namespace ec::test {

class virtual_net {
public:
  base::mono_time now{std::chrono::hours(1)};
  base::mono_duration delay = std::chrono::milliseconds(5); ///< one way
  double bytes_per_second = 0;                              ///< of each sender; 0: without limit
  base::mono_duration queue_max = std::chrono::milliseconds(100);
  /// True drops the datagram: given its number (from 1) and size.
  std::function<bool(uint64_t number, const quic::socket_address& from, std::span<const uint8_t> bytes)> lose;
  /// What a port sends through; may be changed while it runs (a NAT that rebinds).
  std::map<std::string, std::string> renamed;
  uint64_t datagrams = 0;

  class port final : public quic::udp_port {
  public:
    port(virtual_net& net, quic::socket_address local) : net_(net), local_(local) {}
    ~port() override { net_.ports_.erase(local_.to_string()); }
    int fd() const override { return -1; }
    quic::socket_address local() const override { return local_; }
    size_t send(std::span<const quic::udp_batch> batches, base::mono_time now) override {
      for (const auto& b : batches) {
        ++counters_.send_calls;
        for (size_t at = 0; at < b.bytes.size(); at += b.segment) {
          net_.carry(*this, b.remote, b.ecn, b.bytes.subspan(at, std::min(b.segment, b.bytes.size() - at)), std::max(now, net_.now));
          ++counters_.sent_datagrams;
        }
        counters_.sent_bytes += b.bytes.size();
      }
      return batches.size();
    }
    std::span<const quic::udp_arrival> receive() override {
      held_ = std::move(inbox_);
      inbox_.clear();
      arrivals_.clear();
      for (const auto& d : held_) arrivals_.push_back({local_, d.from, d.ecn, d.bytes, d.bytes.size()});
      counters_.received_datagrams += held_.size();
      return arrivals_;
    }
    std::optional<quic::udp_unreachable> next_unreachable() override {
      if (unreachable_.empty()) return std::nullopt;
      auto first = unreachable_.front();
      unreachable_.erase(unreachable_.begin());
      return first;
    }
    const quic::udp_counters& counters() const override { return counters_; }

  private:
    friend class virtual_net;
    struct received {
      quic::socket_address from;
      uint8_t ecn;
      std::vector<uint8_t> bytes;
    };
    virtual_net& net_;
    quic::socket_address local_;
    std::vector<received> inbox_;
    std::vector<received> held_;
    std::vector<quic::udp_arrival> arrivals_;
    std::vector<quic::udp_unreachable> unreachable_;
    base::mono_time busy_until_{};
    quic::udp_counters counters_;
  };

  std::unique_ptr<quic::udp_port> open(const std::string& address) {
    auto made = std::make_unique<port>(*this, quic::socket_address::parse(address).value());
    ports_[address] = made.get();
    return made;
  }
  void attach(quic::endpoint& e) { endpoints_[e.local().to_string()] = &e; }
  void detach(quic::endpoint& e) { endpoints_.erase(e.local().to_string()); }

  /// Runs until `done`, or for `limit` of virtual time; false when time or events ran out.
  bool run(const std::function<bool()>& done, base::mono_duration limit = std::chrono::seconds(60)) {
    const auto end = now + limit;
    for (auto& [name, e] : endpoints_) e->flush(now);
    for (;;) {
      if (done()) return true;
      auto next = base::mono_time::max();
      if (!wire_.empty()) next = wire_.begin()->first;
      for (auto& [name, e] : endpoints_) {
        if (const auto due = e->deadline()) next = std::min(next, *due);
      }
      if (next > end) {
        now = end;
        return done();
      }
      now = std::max(now, next);
      std::vector<std::string> woken;
      while (!wire_.empty() && wire_.begin()->first <= now) {
        auto flight = std::move(wire_.begin()->second);
        wire_.erase(wire_.begin());
        const auto at = ports_.find(flight.to);
        if (at == ports_.end()) {
          // Nobody listens there: the sender gets an ICMP answer.
          if (const auto sender = ports_.find(flight.sender); sender != ports_.end()) {
            sender->second->unreachable_.push_back({quic::socket_address::parse(flight.to).value(), 111});
            woken.push_back(flight.sender);
          }
          continue;
        }
        at->second->inbox_.push_back({flight.from, flight.ecn, std::move(flight.bytes)});
        woken.push_back(flight.to);
      }
      for (const auto& name : woken) {
        if (const auto at = endpoints_.find(name); at != endpoints_.end()) at->second->on_readable(now);
      }
      for (auto& [name, e] : endpoints_) {
        if (const auto due = e->deadline(); due && *due <= now) e->on_timer(now);
      }
    }
  }

private:
  struct flight {
    std::string sender;
    quic::socket_address from;
    std::string to;
    uint8_t ecn;
    std::vector<uint8_t> bytes;
  };

  void carry(port& sender, const quic::socket_address& to, uint8_t ecn, std::span<const uint8_t> bytes, base::mono_time when) {
    ++datagrams;
    auto from = sender.local_;
    if (const auto other = renamed.find(from.to_string()); other != renamed.end()) from = quic::socket_address::parse(other->second).value();
    if (lose && lose(datagrams, from, bytes)) return;
    auto leaves = when;
    if (bytes_per_second > 0) {
      leaves = std::max(when, sender.busy_until_);
      if (leaves - when > queue_max) return;
      leaves += base::mono_duration(static_cast<int64_t>(static_cast<double>(bytes.size()) / bytes_per_second * 1e9));
      sender.busy_until_ = leaves;
    }
    auto target = to.to_string();
    for (const auto& [real, shown] : renamed) {
      if (shown == target) target = real;
    }
    wire_.emplace(leaves + delay, flight{sender.local_.to_string(), from, target, ecn, {bytes.begin(), bytes.end()}});
  }

  std::map<std::string, port*> ports_;
  std::map<std::string, quic::endpoint*> endpoints_;
  std::multimap<base::mono_time, flight> wire_;
};

} // namespace ec::test
