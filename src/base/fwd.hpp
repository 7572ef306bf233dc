#pragma once

namespace ec::base {

class bytes;
class byte_reader;
class byte_writer;
struct error;

} // namespace ec::base
