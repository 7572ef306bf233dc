#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moq/internal/wire_fields.hpp"

/// Pieces of the draft-18 codec, split by message family. Only profile_moqt18*.cpp include this.
namespace ec::moq::moqt18_wire {

using namespace wire;
using field = wire::fields<wire::leading_ones>;

/// Which parameters a message may carry, one bit for each [MOQT 10.2].
enum param_bit : uint32_t {
  p_object_timeout = 1u << 0,
  p_token = 1u << 1,
  p_rendezvous = 1u << 2,
  p_subgroup_timeout = 1u << 3,
  p_expires = 1u << 4,
  p_largest = 1u << 5,
  p_fill = 1u << 6,
  p_forward = 1u << 7,
  p_priority = 1u << 8,
  p_filter = 1u << 9,
  p_order = 1u << 10,
  p_new_group = 1u << 11,
  p_prefix = 1u << 12,
  p_hops = 1u << 13,       ///< [MoQ Cluster], with the next
  p_route_cost = 1u << 14,
};

/// A count and that many parameters; one outside `allowed` is a violation.
decoded<parameters> need_parameters(byte_reader& in, uint32_t allowed);
void put_parameters(byte_writer& out, const parameters& p);

/// All that is left of `in`.
decoded<track_properties> need_track_properties(byte_reader& in);
void put_track_properties(byte_writer& out, const track_properties& p);

decoded<setup> need_setup(byte_reader& in);
void put_setup(byte_writer& out, const setup& s);

// Data streams and datagrams, profile_moqt18_data.cpp.
decoded<uni_header> decode_uni_header(byte_reader& in);
std::vector<uint8_t> encode_subgroup_header(const subgroup_header& h);
std::vector<uint8_t> encode_fetch_header(const fetch_header& h);
decoded<object_header> decode_subgroup_object(byte_reader& in, const subgroup_header& h, std::optional<uint64_t> previous);
std::vector<uint8_t> encode_subgroup_object(const object_header& o, const subgroup_header& h, std::optional<uint64_t> previous);
decoded<fetch_item> decode_fetch_item(byte_reader& in, fetch_cursor& cursor);
std::vector<uint8_t> encode_fetch_item(const fetch_item& item, fetch_cursor& cursor);
decoded<datagram> decode_datagram(byte_reader& in);
std::vector<uint8_t> encode_datagram(const datagram_header& h);
std::vector<uint8_t> encode_padding(bool datagram);
decoded<object_properties> check_object_properties(std::span<const uint8_t> in);

} // namespace ec::moq::moqt18_wire
