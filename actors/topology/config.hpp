#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// What an operator may choose for a topology. Plain values: the command line and config files fill them (src/node/), the wiring
/// functions read them.
namespace ec::actors {

/// A leader or a relay-publisher: one broadcast in, manifests and/or chunks out.
struct publish_config {
  std::string input;                            ///< an HDHomeRun or HTTP URL, a file, or "-"
  std::optional<std::string> stream_id;         ///< unset: of the broadcast, if the tuner's lineup says enough, else of the source
  std::string listen = "0.0.0.0:4443";          ///< UDP address; port 0: any free port
  bool publish_manifests = false;
  bool publish_chunks = true;
  uint32_t epoch_chunks = 1;                    ///< chunks per manifest
  std::filesystem::path key;                    ///< signing key; needed for manifests
  std::vector<std::filesystem::path> key_statement; ///< files of statements that every manifest carries
  std::filesystem::path network_secret_file;
  std::chrono::milliseconds startup_delay{0};
  std::optional<uint16_t> program;
  std::optional<std::string> channel;           ///< virtual channel, "5.1"
  std::chrono::seconds duration{0};             ///< 0: until stopped
  std::string profile = "ts-v1";
  bool sign_damaged = true;
  std::vector<std::string> second_source;       ///< other publishers of the stream: what is damaged here is asked of them before it is signed
  unsigned repair_share_max = 5;                ///< percent of a chunk's packets that may be taken on their word
  std::chrono::milliseconds repair_wait{2000};  ///< a damaged chunk is held back for no longer
  std::string discovered_sources = "compare";   ///< with `announce`, other publishers of the stream that this node learns of: ignore, compare (their counts), repair (from them too)
  std::vector<std::string> trust_signer;        ///< "ed25519:<hex>" of second sources' signers whose count of chunks is taken if it is ahead
  std::filesystem::path trust_file;             ///< keys for each stream; adds to `trust_signer`
  double pace = 1.0;                            ///< of a file: 1 is real time, 0 as fast as the node can
  std::filesystem::path state_dir;              ///< certificate and signer state; empty: the default of this user
  std::filesystem::path tls_cert;               ///< PEM; empty: a self-signed one, made and kept
  std::filesystem::path tls_key;
  std::filesystem::path endpoint_addr_out;      ///< the full address is written here
  bool no_early_data = false;                   ///< clients that come back get no tickets: each session begins with a whole handshake
  std::vector<std::string> relay;               ///< relays that are dialled, and offered what this node publishes
  std::vector<std::string> connect_to;          ///< where relays are reached, if not at their names: "host:port" of the only one, or "name:port=host:port"
  std::vector<std::string> moq_version;         ///< versions of MoQ that are served, and offered where it dials, the best first; empty: all
  bool tls_insecure = false;                    ///< of relays without a pin: any certificate
  std::filesystem::path tls_ca;                 ///< of relays without a pin; empty: the system's certificate authorities
  std::string token;                            ///< that relays are shown
  std::filesystem::path token_file;             ///< the same in a file
  std::filesystem::path client_cert;            ///< PEM: shown to relays that ask for a certificate
  std::filesystem::path client_key;
  bool announce = false;                        ///< tells directories that this node has the stream
  std::vector<std::string> directory;           ///< URLs of stream directories
  std::filesystem::path directory_token_file;   ///< what they want of who posts
  std::vector<std::string> gossip;              ///< peers whose announcements are taken and passed on
  bool mdns = false;                            ///< is found by the nodes of the local network, and listens to them
  bool dht = false;                             ///< announces in the mainline DHT
  std::vector<std::string> dht_bootstrap;       ///< in a private one: nodes by which it is joined
  std::string dht_listen;                       ///< UDP address of the DHT node; empty: any free port
  std::vector<std::string> announce_address;    ///< "host:port" at which others reach this node; empty: where it listens
  std::chrono::milliseconds announce_ttl{60'000}; ///< an announcement counts for so long, and is said again each third of it
  std::chrono::milliseconds linger{2000};       ///< at the end: how long to wait for subscribers to take the rest
  bool json = false;                            ///< events as JSON lines
};

/// A MoQ relay: takes tracks from the sessions of publishers, gives them to those of subscribers.
struct relay_node_config {
  std::string listen = "0.0.0.0:4443";          ///< UDP address; port 0: any free port
  std::string http_listen;                      ///< TCP address of its HTTP side, or "off"; empty: the same as `listen`, if it is free
  std::vector<std::string> upstream;            ///< relays, or publishers, that are asked for what nobody offers here
  std::vector<std::string> connect_to;          ///< where they are reached: "host:port", or "name:port=host:port" of one of several
  std::vector<std::string> upstream_cost;       ///< of upstreams, "N" of the only one or "name:port=N"; those that cost less are asked first; not given: 0
  bool tls_insecure = false;                    ///< any certificate of upstreams without a pin
  std::filesystem::path tls_ca;                 ///< PEM; empty: the system's certificate authorities
  std::string token;                            ///< that upstreams are shown
  std::filesystem::path token_file;             ///< the same in a file
  std::vector<std::filesystem::path> token_key; ///< whose tokens let in; none: everybody comes in
  std::vector<std::string> origin;              ///< pages that may open a session by WebTransport: "https://tv.example", or a host for that; none: any
  std::filesystem::path client_ca;              ///< PEM: peers with a certificate of these come in without a token
  std::vector<std::string> peer_publish;        ///< prefixes that those may publish; none: everything
  std::vector<std::string> peer_subscribe;      ///< and subscribe to
  std::filesystem::path client_cert;            ///< PEM: shown to upstreams that ask for a certificate
  std::filesystem::path client_key;
  unsigned sessions_per_address = 0;            ///< at a time; 0: no limit, as of the next five
  unsigned sessions_per_token = 0;
  unsigned requests_per_address = 0;            ///< open at a time in its sessions
  unsigned requests_per_token = 0;
  unsigned publish_kbps_per_address = 0;        ///< of objects that it publishes, kbit/s
  unsigned publish_kbps_per_token = 0;
  std::vector<std::string> public_publish;      ///< prefixes that who has no token may publish
  std::vector<std::string> public_subscribe;    ///< prefixes that who has no token may subscribe to
  std::filesystem::path state_dir;              ///< its certificate; empty: the default of this user
  std::filesystem::path tls_cert;               ///< PEM; empty: a self-signed one, made and kept
  std::filesystem::path tls_key;
  std::filesystem::path endpoint_addr_out;      ///< the full address is written here
  bool no_early_data = false;                   ///< clients that come back get no tickets: each session begins with a whole handshake
  std::vector<std::string> moq_version;         ///< versions of MoQ that are spoken, the best first; empty: all
  unsigned cache_mb = 1024;                     ///< of objects, of all tracks
  std::chrono::seconds cache_age{120};          ///< of a group, but for the newest of its track
  std::chrono::milliseconds publisher_linger{5000}; ///< a publisher that vanished is waited for
  bool require_manifest = false;                ///< of every.channel streams only what manifests of trusted keys list is passed on
  std::vector<std::string> trust_signer;        ///< "ed25519:<hex>" of those
  std::filesystem::path trust_file;             ///< keys for each stream; adds to `trust_signer`
  std::filesystem::path network_secret_file;    ///< of the streams that are verified
  bool relay_unverified = false;                ///< what is no every.channel stream is passed on as it comes
  std::string handover;                         ///< URI of the relay where its sessions go on when this one ends; empty: where they came from
  std::optional<std::chrono::seconds> handover_timeout; ///< for how long it serves who has not left by then; unset: 30 s with `handover`, else 2 s
  std::chrono::seconds status_every{0};         ///< its counters are told so often; 0: at the end only
  std::chrono::milliseconds linger{2000};       ///< at the end: how long to wait for subscribers to take the rest
  bool json = false;                            ///< events as JSON lines
};

/// A subscriber: manifests from one peer, objects from others, HLS out.
struct subscribe_config {
  std::vector<std::string> remote;              ///< sources of objects, best first
  std::vector<std::string> remote_manifests;    ///< sources of manifests; empty: the remotes
  std::vector<std::string> moq_version;         ///< versions of MoQ that are offered to them, the best first; empty: all
  bool discover = false;                        ///< sources are also those that directories list
  std::vector<std::string> directory;           ///< URLs of stream directories
  std::vector<std::string> gossip;              ///< peers whose announcements are taken
  bool mdns = false;                            ///< listens to the nodes of the local network
  bool dht = false;                             ///< looks for sources in the mainline DHT
  std::vector<std::string> dht_bootstrap;       ///< in a private one: nodes by which it is joined
  std::string dht_listen;                       ///< UDP address of the DHT node; empty: any free port
  std::string discover_policy = "direct-first"; ///< direct-first, relay-first, direct, relay
  std::string stream_id;
  bool subscribe_manifests = false;             ///< also without require_manifest
  bool require_manifest = false;
  std::vector<std::string> trust;               ///< "ed25519:<hex>"; empty: the first signer seen
  std::filesystem::path trust_file;             ///< keys for each stream; adds to `trust`
  std::filesystem::path state_dir;              ///< what was followed of keys; empty: the default of this user
  size_t min_signers = 1;                       ///< trusted keys that must attest a chunk before it counts
  std::optional<uint64_t> max_invalid_chunks;   ///< end with an error at one more than this
  bool allow_damaged = true;
  std::filesystem::path hls_dir;                ///< empty: nothing is written
  std::string hls_mode = "window";              ///< window, event
  uint32_t hls_window = 6;                      ///< segments in a sliding playlist
  std::filesystem::path objects_out;            ///< empty: no file of objects is kept
  std::filesystem::path evidence_dir;           ///< empty: evidence against signers is logged only
  std::optional<uint64_t> stop_after;           ///< chunks
  std::chrono::milliseconds drain{0};           ///< when asked to end: how long the sources may take to end their tracks first
  std::chrono::milliseconds patience{0};        ///< for a missing chunk, and for a whole one; 0: three chunk durations
  std::filesystem::path network_secret_file;
  std::string token;                            ///< that the peers are shown
  std::filesystem::path token_file;             ///< the same in a file
  std::filesystem::path client_cert;            ///< PEM: shown to peers that ask for a certificate
  std::filesystem::path client_key;
  bool tls_insecure = false;
  std::filesystem::path tls_ca;
  bool json = false;
};

} // namespace ec::actors
