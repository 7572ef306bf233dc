#pragma once

namespace ec::base {

class bytes;
class byte_reader;
class byte_writer;
class disk;
struct error;

} // namespace ec::base
