#include "media/internal/sound_loop.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
}

namespace ec::media::internal {
namespace {

using base::errc;
using base::fail;

struct context_closer {
  void operator()(AVCodecContext* c) const { avcodec_free_context(&c); }
};
struct frame_closer {
  void operator()(AVFrame* f) const { av_frame_free(&f); }
};
struct packet_closer {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};

constexpr int sample_rate = 48000;

/// A beep of 1 kHz for 0.1 s at each second, with soft edges; all channels but the low-frequency one.
float sample_at(uint64_t n) {
  constexpr uint64_t length = sample_rate / 10;
  const uint64_t in_second = n % sample_rate;
  if (in_second >= length) return 0;
  const double edge = std::min(1.0, static_cast<double>(std::min(in_second, length - 1 - in_second)) / 240.0);
  return static_cast<float>(0.25 * edge * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(in_second) / sample_rate));
}

std::vector<uint8_t> adts_frame(const AVPacket& packet) {
  // [14496-3 1.A.2]: AAC LC, 48 kHz, two channels, no CRC.
  const auto size = static_cast<uint32_t>(packet.size) + 7;
  std::vector<uint8_t> out{0xff, 0xf1, 0x4c, static_cast<uint8_t>(0x80 | size >> 11), static_cast<uint8_t>(size >> 3),
    static_cast<uint8_t>((size & 7) << 5 | 0x1f), 0xfc};
  out.insert(out.end(), packet.data, packet.data + packet.size);
  return out;
}

} // namespace

base::result<sound_loop> code_sound(test_codec codec, bool surround) {
  const bool ac3 = codec == test_codec::mpeg2;
  av_log_set_level(AV_LOG_ERROR); // the library's remarks about quality do not belong on our standard error
  const AVCodec* encoder = avcodec_find_encoder_by_name(ac3 ? "ac3" : "aac");
  if (!encoder) return fail(errc::unsupported, std::string("libavcodec has no encoder ") + (ac3 ? "ac3" : "aac"));
  const std::unique_ptr<AVCodecContext, context_closer> context(avcodec_alloc_context3(encoder));
  const int channels = ac3 && surround ? 6 : 2;
  context->sample_fmt = AV_SAMPLE_FMT_FLTP;
  context->sample_rate = sample_rate;
  context->bit_rate = channels == 6 ? 384000 : ac3 ? 192000 : 128000;
  context->time_base = {1, sample_rate};
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  av_channel_layout_default(&context->ch_layout, channels);
  if (avcodec_open2(context.get(), encoder, nullptr) < 0) return fail(errc::unsupported, "libavcodec does not open its sound encoder");

  sound_loop out;
  out.samples = static_cast<uint32_t>(context->frame_size);
  out.delay = static_cast<uint32_t>(context->initial_padding);
  if (out.samples == 0) return fail(errc::internal, "the sound encoder has no frame size");
  // 4 s are 125 frames of AC-3, 8 s are 375 of AAC. The second round is kept: in it the coder has seen the sound before.
  const size_t round = ac3 ? 125 : 375;
  const std::unique_ptr<AVFrame, frame_closer> frame(av_frame_alloc());
  const std::unique_ptr<AVPacket, packet_closer> packet(av_packet_alloc());
  frame->nb_samples = context->frame_size;
  frame->format = context->sample_fmt;
  frame->sample_rate = sample_rate;
  av_channel_layout_copy(&frame->ch_layout, &context->ch_layout);
  if (av_frame_get_buffer(frame.get(), 0) < 0) return fail(errc::internal, "no memory for the sound");
  size_t coded = 0;
  uint64_t sample = 0;
  for (size_t sent = 0; coded < 2 * round; ++sent) {
    if (sent > 2 * round + 16 || av_frame_make_writable(frame.get()) < 0) return fail(errc::internal, "the sound encoder gives no frames");
    for (int i = 0; i < frame->nb_samples; ++i, ++sample) {
      const float value = sample_at(sample);
      for (int c = 0; c < channels; ++c) reinterpret_cast<float*>(frame->extended_data[c])[i] = channels == 6 && c == 3 ? 0.0f : value;
    }
    frame->pts = static_cast<int64_t>(sent) * frame->nb_samples;
    if (avcodec_send_frame(context.get(), frame.get()) < 0) return fail(errc::internal, "the sound encoder refuses a frame");
    while (avcodec_receive_packet(context.get(), packet.get()) == 0) {
      if (coded >= round && coded < 2 * round)
        out.frames.push_back(ac3 ? std::vector<uint8_t>(packet->data, packet->data + packet->size) : adts_frame(*packet));
      ++coded;
      av_packet_unref(packet.get());
    }
  }
  return out;
}

} // namespace ec::media::internal
