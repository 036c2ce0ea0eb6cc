// Which algorithm each convolution is done by, measured once on the machine that runs them. Choices
// go by shape and instruction set, so that all programs of a folder share them.
#pragma once

#include <map>
#include <span>
#include <string>

#include "base/result.h"
#include "simd/conv2d.h"

namespace pte::engine {

using ConvChoices = std::map<std::string, simd::ConvAlgorithm, std::less<>>;

// "1 80 80 64 64 3 3 …": every number of the shape.
std::string conv_key(const simd::Conv2dShape& shape);

// The file of choices in a folder of packed weights, for this kind of processor.
std::string choices_path(const std::string& folder, simd::Isa isa);
// Nothing where there is no file; what cannot be read in one is left out.
ConvChoices read_choices(const std::string& path);
Status write_choices(const std::string& path, const ConvChoices& choices);

// Measures, on this thread, the algorithms that can do each shape that has no choice yet, a few
// milliseconds each, and adds the fastest. Says how many shapes it measured.
Result<size_t> tune(std::span<const simd::Conv2dShape> shapes, simd::Isa isa, bool winograd,
                    ConvChoices& choices);

}  // namespace pte::engine
