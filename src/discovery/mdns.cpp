#include "discovery/mdns.hpp"

#include <array>
#include <utility>

#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>

#include "base/hex.hpp"
#include "base/log.hpp"

namespace ec::discovery {
namespace {

using base::errc, base::fail;

/// One stack of the library, driven by look(): no thread of its own.
class lan final : public mdns_network {
public:
  explicit lan(const mdns_config& config) : config_(config), name_(config.name) {}
  lan(const lan&) = delete;
  lan& operator=(const lan&) = delete;
  ~lan() override {
    for (const auto& [unused, r] : resolvers_) avahi_s_service_resolver_free(r);
    if (browser_ != nullptr) avahi_s_service_browser_free(browser_);
    if (group_ != nullptr) avahi_s_entry_group_free(group_); // says goodbye
    if (server_ != nullptr) avahi_server_free(server_);
    if (poll_ != nullptr) avahi_simple_poll_free(poll_);
  }

  base::result<void> start() {
    poll_ = avahi_simple_poll_new();
    if (poll_ == nullptr) return fail(errc::io, "no memory", "mDNS");
    avahi_simple_poll_set_func(poll_, &lan::on_poll, this);
    avahi_set_log_function(&lan::on_log);
    AvahiServerConfig c;
    avahi_server_config_init(&c);
    // A name of its own: the machine's may be another stack's, or another node's of the same machine.
    c.host_name = avahi_strdup(("ec-" + config_.name).c_str());
    c.publish_hinfo = c.publish_workstation = c.publish_domain = c.enable_wide_area = 0;
    c.publish_addresses = config_.port > 0;
    c.disable_publishing = config_.port == 0;
    c.n_cache_entries_max = base::limits::mdns_records_max;
    int why = 0;
    server_ = avahi_server_new(avahi_simple_poll_get(poll_), &c, &lan::on_server, this, &why);
    avahi_server_config_free(&c);
    if (server_ == nullptr) return fail(errc::io, avahi_strerror(why), "mDNS");
    browser_ = avahi_s_service_browser_new(server_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, std::string(mdns_service).c_str(), nullptr,
      static_cast<AvahiLookupFlags>(0), &lan::on_browse, this);
    if (browser_ == nullptr) return fail(errc::io, avahi_strerror(avahi_server_errno(server_)), "mDNS");
    return base::ok();
  }

  std::vector<mdns_peer> look() override {
    // One turn does one timer, or what one round of the sockets brought; what is left after many is done with the next look.
    constexpr int turns_max = 256, idle_turns = 4;
    for (int turn = 0, idle = 0; turn < turns_max && idle < idle_turns; ++turn) {
      ready_ = 0;
      if (avahi_simple_poll_iterate(poll_, 0) != 0) {
        fault_ = "the library's loop ended";
        break;
      }
      idle = ready_ > 0 ? 0 : idle + 1;
    }
    return roster_.peers(config_.port > 0 ? std::optional(config_.spki) : std::nullopt);
  }

  std::string fault() const override { return fault_; }

private:
  static int on_poll(pollfd* fds, unsigned count, int timeout, void* user) { return self(user).ready_ = poll(fds, count, timeout); }

  /// Else it would write to standard error.
  static void on_log(AvahiLogLevel level, const char* text) {
    base::log::write(level <= AVAHI_LOG_WARN ? base::log::level::warn : base::log::level::debug, "mdns", "library", {{"text", text}});
  }

  static lan& self(void* user) { return *static_cast<lan*>(user); }

  static void on_server(AvahiServer* s, AvahiServerState state, void* user) {
    auto& me = self(user);
    switch (state) {
    case AVAHI_SERVER_RUNNING: me.fault_.clear(); return me.publish(s);
    case AVAHI_SERVER_COLLISION: {
      if (me.group_ != nullptr) avahi_s_entry_group_reset(me.group_);
      if (++me.renamed_ > renames_max) {
        me.fault_ = "each name of this machine is taken by another";
        return;
      }
      auto* other = avahi_alternative_host_name(avahi_server_get_host_name(s));
      avahi_server_set_host_name(s, other);
      return avahi_free(other);
    }
    case AVAHI_SERVER_REGISTERING:
      if (me.group_ != nullptr) avahi_s_entry_group_reset(me.group_);
      return;
    case AVAHI_SERVER_FAILURE: me.fault_ = avahi_strerror(avahi_server_errno(s)); return;
    case AVAHI_SERVER_INVALID: return;
    }
  }

  void publish(AvahiServer* s) {
    if (config_.port == 0) return;
    if (group_ == nullptr) group_ = avahi_s_entry_group_new(s, &lan::on_group, this);
    if (group_ == nullptr || !avahi_s_entry_group_is_empty(group_)) return;
    const auto pin = "spki=" + base::to_hex(config_.spki);
    auto why = avahi_server_add_service(s, group_, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, static_cast<AvahiPublishFlags>(0), name_.c_str(),
      std::string(mdns_service).c_str(), nullptr, nullptr, config_.port, "v=1", pin.c_str(), nullptr);
    if (why >= 0) why = avahi_s_entry_group_commit(group_);
    if (why < 0) fault_ = avahi_strerror(why);
  }

  static void on_group(AvahiServer* s, AvahiSEntryGroup* g, AvahiEntryGroupState state, void* user) {
    auto& me = self(user);
    if (state == AVAHI_ENTRY_GROUP_FAILURE) me.fault_ = avahi_strerror(avahi_server_errno(s));
    if (state != AVAHI_ENTRY_GROUP_COLLISION) return;
    if (++me.renamed_ > renames_max) {
      me.fault_ = "each name of this node is taken by another";
      return;
    }
    auto* other = avahi_alternative_service_name(me.name_.c_str());
    me.name_ = other;
    avahi_free(other);
    avahi_s_entry_group_reset(g);
    me.publish(s);
  }

  static void on_browse(AvahiSServiceBrowser*, AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event, const char* name, const char* type,
    const char* domain, AvahiLookupResultFlags flags, void* user) {
    auto& me = self(user);
    if (event == AVAHI_BROWSER_FAILURE) me.fault_ = avahi_strerror(avahi_server_errno(me.server_));
    if (name == nullptr || me.server_ == nullptr) return;
    const mdns_roster::place at{name, interface, protocol};
    if (event == AVAHI_BROWSER_REMOVE) {
      me.roster_.gone(at);
      if (const auto r = me.resolvers_.find(at); r != me.resolvers_.end()) {
        avahi_s_service_resolver_free(r->second);
        me.resolvers_.erase(r);
      }
      return;
    }
    if (event != AVAHI_BROWSER_NEW || (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0 || me.resolvers_.contains(at)) return;
    if (me.resolvers_.size() >= base::limits::mdns_instances_max) {
      if (!std::exchange(me.full_told_, true)) base::log::warn("mdns", "too-many-instances", {{"max", base::limits::mdns_instances_max}});
      return;
    }
    if (auto* r = avahi_s_service_resolver_new(me.server_, interface, protocol, name, type, domain, protocol, static_cast<AvahiLookupFlags>(0), &lan::on_resolve, user))
      me.resolvers_[at] = r;
  }

  static void on_resolve(AvahiSServiceResolver*, AvahiIfIndex interface, AvahiProtocol protocol, AvahiResolverEvent event, const char* name, const char*,
    const char*, const char*, const AvahiAddress* address, uint16_t port, AvahiStringList* txt, AvahiLookupResultFlags, void* user) {
    auto& me = self(user);
    const mdns_roster::place at{name, interface, protocol};
    if (event != AVAHI_RESOLVER_FOUND || address == nullptr) return me.roster_.gone(at);
    std::vector<std::string> strings;
    for (auto* s = txt; s != nullptr && strings.size() < 16; s = avahi_string_list_get_next(s))
      strings.emplace_back(reinterpret_cast<const char*>(avahi_string_list_get_text(s)), avahi_string_list_get_size(s));
    std::array<char, AVAHI_ADDRESS_STR_MAX> host{};
    avahi_address_snprint(host.data(), host.size(), address);
    me.roster_.found(at, host.data(), address->proto == AVAHI_PROTO_INET6, port, strings);
  }

  static constexpr unsigned renames_max = 16;

  mdns_config config_;
  std::string name_;
  AvahiSimplePoll* poll_ = nullptr;
  AvahiServer* server_ = nullptr;
  AvahiSEntryGroup* group_ = nullptr;
  AvahiSServiceBrowser* browser_ = nullptr;
  std::map<mdns_roster::place, AvahiSServiceResolver*> resolvers_;
  mdns_roster roster_;
  std::string fault_;
  unsigned renamed_ = 0;
  int ready_ = 0; ///< sockets, in the last turn
  bool full_told_ = false;
};

} // namespace

base::result<std::unique_ptr<mdns_network>> join_mdns(const mdns_config& config) {
  auto made = std::make_unique<lan>(config);
  EC_TRYV(made->start());
  return std::unique_ptr<mdns_network>(std::move(made));
}

} // namespace ec::discovery
