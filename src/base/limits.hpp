#pragma once

#include <cstddef>
#include <cstdint>

/// Every bound of the project by name. A length is checked against its bound before memory is taken for it.
namespace ec::base::limits {

// Objects and chunks (docs/formats/object.md).
inline constexpr size_t piece_packets = 348;                    ///< TS packets in a full piece
inline constexpr size_t piece_bytes = piece_packets * 188;      ///< 65,424 bytes
inline constexpr size_t aead_tag_bytes = 16;                    ///< AES-256-GCM
inline constexpr size_t chunk_bytes_max = 64u << 20;            ///< 2 s at 256 Mbit/s
inline constexpr size_t chunk_pieces_max = chunk_bytes_max / piece_bytes + 1;
inline constexpr size_t object_head_bytes_max = 4096;
inline constexpr size_t object_tail_bytes_max = 256u << 10;
inline constexpr size_t network_secret_bytes_max = 1024;
inline constexpr size_t sealer_chunks_max = 16;                 ///< chunks that one sealer has open at a time

inline constexpr size_t proofs_max = 256;                       ///< manifests whose objects a subscriber keeps for what it writes

// Manifests (docs/formats/manifest.md).
inline constexpr size_t manifest_bytes_max = 256u << 10;
inline constexpr size_t manifest_chunks_max = 1024;             ///< chunks in one epoch
inline constexpr size_t manifest_attestations_max = 16;         ///< in one manifest object
inline constexpr size_t manifest_extra_members_max = 8;         ///< "x-" members of an attestation
inline constexpr size_t manifest_extra_bytes_max = 1024;        ///< of their canonical JSON
inline constexpr size_t trusted_keys_max = 64;
inline constexpr size_t revoked_keys_max = 1024;                ///< more than all trusted keys and their successors could revoke
inline constexpr size_t trust_file_revoked_max = 256;           ///< in one trust file
inline constexpr size_t trust_rules_max = 256;                  ///< in one trust file
inline constexpr size_t key_rotations_max = 8;                  ///< in a row that a subscriber follows
inline constexpr size_t key_statements_max = 8;                 ///< in one manifest object
inline constexpr size_t key_statement_bytes_max = 1024;         ///< a file of one
inline constexpr size_t statements_kept_max = 2048;             ///< that a subscriber followed and remembers
inline constexpr size_t subscriber_state_bytes_max = 32u << 20; ///< its file
inline constexpr size_t heard_max = 32;                         ///< newest attestations of one signer in it
inline constexpr size_t heard_bytes_max = 64u << 10;            ///< of those, but the newest is always kept
inline constexpr size_t evidence_bytes_max = 4 * manifest_bytes_max; ///< a file of two statements, indented
inline constexpr size_t evidence_files_max = 256;               ///< in one folder
inline constexpr size_t verifier_manifests_max = 4096;          ///< remembered per stream
inline constexpr size_t verifier_entries_max = 16384;           ///< chunks in them
inline constexpr size_t verifier_chain_max = 1024;              ///< attestations remembered per signer
inline constexpr size_t verifier_waiting_max = 16;              ///< contents that no trusted key attests yet
inline constexpr size_t verifier_evidence_max = 16;
inline constexpr size_t signer_epochs_max = 64;                 ///< remembered in a signer's state
inline constexpr size_t signer_state_bytes_max = 16u << 20;
inline constexpr size_t stream_id_bytes_max = 512;

// Announcements (docs/formats/announcement.md).
inline constexpr size_t announcement_bytes_max = 2048;
inline constexpr size_t announcement_dht_bytes_max = 996;       ///< with its length before it, the 1,000 bytes of a DHT item [BEP 44]
inline constexpr size_t announcement_aliases_max = 4;
inline constexpr size_t announcement_transports_max = 8;
inline constexpr size_t announcement_tracks_max = 8;            ///< of one relay transport
inline constexpr uint64_t announcement_ttl_ms_min = 3'000;
inline constexpr uint64_t announcement_ttl_ms_max = 3'600'000;
inline constexpr uint64_t announcement_ahead_ms_max = 120'000;  ///< a signer's clock before ours
inline constexpr size_t announcements_max = 16384;              ///< in one table
inline constexpr size_t announcements_per_key_max = 256;        ///< of one signer
inline constexpr size_t announcements_per_address_max = 1024;   ///< that one address brought; a directory may bring all
inline constexpr size_t announcements_per_stream_max = 64;      ///< sources of one stream
inline constexpr size_t announcement_addresses_max = 4096;      ///< whose rates are followed
inline constexpr size_t announcements_per_address_burst = 256;  ///< that are looked at, and then
inline constexpr size_t announcements_per_address_second = 16;  ///< in the long run; a forged one counts for eight
inline constexpr size_t announcements_per_directory_burst = 16384;
inline constexpr size_t announcements_per_directory_second = 1024;
inline constexpr size_t announcements_per_key_burst = 512;      ///< of one signer that are taken
inline constexpr size_t announcements_per_key_second = 16;
inline constexpr size_t announcement_checks_burst = 4096;       ///< signatures of announcements that are checked, over all
inline constexpr size_t announcement_checks_second = 512;

// The stream directory (docs/formats/directory.md).
inline constexpr size_t directory_announcements_max = 4096;
inline constexpr size_t directory_listing_bytes_max = 3u << 20; ///< under http_body_bytes_max, with what is around it
inline constexpr size_t directory_token_bytes_max = 512;
inline constexpr size_t directory_requests_burst = 120;         ///< of one address, and then
inline constexpr size_t directory_requests_second = 20;
inline constexpr size_t directories_max = 8;                    ///< that one node reads
inline constexpr size_t http_request_body_bytes_max = 64u << 10; ///< of any POST to a server of ours

// Gossip over MoQ.
inline constexpr size_t gossip_object_bytes_max = 32u << 10;    ///< announcements in one object of track control
inline constexpr size_t gossip_peers_max = 32;                  ///< that one node dials
inline constexpr size_t gossip_guests_max = 64;                 ///< that dial one node, and are listened to

// JSON (base/json.hpp).
inline constexpr size_t json_depth_max = 32;
inline constexpr size_t json_members_max = 4096;                ///< members of one object
inline constexpr size_t config_bytes_max = 1u << 20;

// MPEG-TS (ts room).
inline constexpr size_t ts_program_pids_max = 32;
inline constexpr size_t ts_pids_tracked_max = 8192;
inline constexpr size_t ts_pes_bytes_max = 8u << 20;            ///< one access unit as it is read

// MoQ sessions.
inline constexpr size_t moq_control_message_bytes_max = 65535;  ///< the u16 length says so
inline constexpr size_t moq_namespace_fields_max = 32;
inline constexpr size_t moq_full_track_name_bytes_max = 4096;
inline constexpr size_t moq_reason_bytes_max = 1024;
inline constexpr size_t moq_object_bytes_max = 1u << 20;        ///< one object payload
inline constexpr size_t moq_requests_max = 256;                 ///< open requests of one session
inline constexpr size_t moq_track_cache_groups = 32;            ///< groups kept for FETCH and late joiners
inline constexpr size_t moq_track_cache_bytes = 256u << 20;     ///< per track
inline constexpr size_t moq_properties_bytes_max = 32u << 10;   ///< properties of one object or track
inline constexpr size_t moq_uri_bytes_max = 8192;               ///< of GOAWAY and redirects
inline constexpr size_t moq_subscription_unsent_bytes_max = 16u << 20; ///< queued for one subscription
inline constexpr size_t moq_fetch_unsent_bytes_max = 1u << 20;  ///< a fetch waits when this much is queued
inline constexpr size_t moq_early_streams_max = 64;             ///< data streams before SETUP or their alias
inline constexpr size_t moq_early_bytes_max = 512u << 10;        ///< and their bytes
inline constexpr size_t moq_namespace_matches_max = 1000;       ///< for one SUBSCRIBE_NAMESPACE
inline constexpr size_t moq_seen_groups_max = 32;               ///< groups in which a receiver remembers objects
inline constexpr size_t moq_seen_objects_max = 8192;            ///< in one such group
inline constexpr size_t moq_held_bytes_accepted = 1u << 20;      ///< held for the peer of a session that it opened, beside the largest object under way
inline constexpr size_t moq_held_bytes_dialled = 8u << 20;       ///< of one that this side opened
inline constexpr size_t moq_group_subgroups_max = 1024;          ///< of one group that is held
inline constexpr size_t moq_requests_burst = 1000;              ///< requests that a peer may start at once
inline constexpr size_t moq_requests_per_second = 200;          ///< and in the long run

// A relay.
inline constexpr size_t relay_tracks_max = 4096;                ///< relayed, or asked for, at a time
inline constexpr size_t relay_track_upstreams_max = 4;          ///< publishers that one track is taken from at once
inline constexpr size_t relay_peer_namespaces_max = 1000;       ///< offered by one session
inline constexpr size_t relay_cache_bytes_max = 1u << 30;       ///< of all tracks
inline constexpr size_t relay_track_cache_bytes = 64u << 20;    ///< of one
inline constexpr size_t relay_track_cache_groups = 32;
inline constexpr size_t relay_fill_bytes_max = 64u << 20;       ///< brought by one fetch upstream
inline constexpr size_t relay_track_fills_max = 8;              ///< fetches upstream for one track at a time
inline constexpr size_t relay_streams_tracked_max = 256;        ///< subgroups of one upstream subscription of which the progress is known
inline constexpr size_t relay_peers_max = 64;                   ///< that a relay, or a publisher of relays, dials

// Waiting objects of a subscriber: what came before its manifest.
inline constexpr size_t subscriber_wait_bytes_max = 64u << 20;
inline constexpr size_t subscriber_wait_groups_max = 32;
inline constexpr size_t subscriber_sources_max = 32;
inline constexpr size_t subscriber_fetches_max = 8;             ///< open at a time
inline constexpr size_t assembly_versions_max = 4;              ///< differing copies kept of one object

// QUIC endpoint.
inline constexpr size_t quic_connections_max = 4096;
inline constexpr size_t quic_send_queue_bytes_max = 64u << 20;  ///< per connection, not yet acknowledged
inline constexpr size_t quic_connections_per_address_max = 2048; ///< from one IP address
inline constexpr size_t quic_half_open_max = 1024;              ///< handshakes in progress; more are refused
inline constexpr size_t quic_peer_streams_bidi_max = 256;       ///< open at once, opened by the peer
inline constexpr size_t quic_peer_streams_uni_max = 1024;
inline constexpr size_t quic_streams_max = 8192;                ///< of one connection, opened by both, with state of ours
inline constexpr size_t quic_datagrams_queued_max = 64;
inline constexpr size_t quic_datagram_bytes_max = 65000;
inline constexpr size_t quic_crypto_bytes_max = 256u << 10;     ///< handshake messages of one connection in its whole life
inline constexpr size_t quic_connection_free_bytes = 128u << 10; ///< held by the QUIC library for any connection
inline constexpr size_t quic_connection_held_bytes_max = 512u << 10; ///< beside its receive window and what is in flight
inline constexpr size_t quic_held_bytes_max = 64u << 20;         ///< of all connections, beyond what each may hold anyway
inline constexpr size_t quic_close_reason_bytes_max = 512;
inline constexpr size_t quic_alpns_max = 16;
inline constexpr size_t quic_tombstones_max = 1024;             ///< closed connections whose late packets are still answered
inline constexpr size_t quic_address_bytes_max = 2048;          ///< moqt://... as text
inline constexpr size_t quic_resolved_addresses_max = 16;

// HTTP.
inline constexpr size_t http_body_bytes_max = 4u << 20;         ///< a JSON document of a tuner
inline constexpr size_t http_headers_max = 100;                 ///< fields of one request or answer that are kept
inline constexpr size_t http_burst_bytes_max = 1u << 20;        ///< body bytes that wait for the reader of a stream
inline constexpr size_t http_stream_block_bytes = 64u << 10;    ///< one write of a streamed body
inline constexpr size_t http_connection_bytes = 96u << 10;      ///< what the server holds for one connection
inline constexpr size_t url_bytes_max = 2048;

// Sources and the tuner simulator.
inline constexpr size_t lineup_entries_max = 2000;              ///< channels of one tuner
inline constexpr size_t device_tuners_max = 64;                 ///< tuners of one device
inline constexpr size_t simulator_feed_bytes_max = 6u << 20;    ///< broadcast kept for slow clients: 2.6 s at 19.39 Mbit/s

// HLS directories (docs/formats/hls.md).
inline constexpr size_t hls_segments_max = 1u << 19;            ///< in one playlist: 12 days of 2 s
inline constexpr size_t hls_playlist_bytes_max = 96u << 20;
inline constexpr size_t hls_sidecar_bytes_max = 512u << 20;
inline constexpr size_t manifest_log_bytes_max = 1u << 30;
inline constexpr size_t hls_sidecar_line_bytes_max = 4096;
inline constexpr size_t hls_file_name_bytes_max = 128;
inline constexpr size_t hls_target_duration_s_max = 3600;

} // namespace ec::base::limits
