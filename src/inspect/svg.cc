// Drawings as files: SVG with the layout of layout.cc, and the text that Graphviz reads.
#include "inspect/drawing.h"

namespace pte::inspect {
namespace {

constexpr size_t kMostNodes = 20'000;
constexpr size_t kMostEdges = 100'000;

// Names in files may hold any bytes: what is not printable ASCII or well formed UTF-8 becomes '?'.
std::string clean(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : 0;
    bool good = length > 0 && i + length <= text.size() && byte != 0xc0 && byte != 0xc1;
    for (size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(text[i + k]) & 0xc0U) == 0x80U;
    }
    // Three-byte forms that are too long, surrogates and the two non-characters.
    if (good && length == 3) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      good = !(byte == 0xe0 && second < 0xa0) && !(byte == 0xed && second >= 0xa0) && byte != 0xef;
    }
    if (good && length == 1) good = byte >= 0x20 && byte != 0x7f;
    if (good) {
      out += text.substr(i, length);
    } else {
      out += '?';
      length = 1;
    }
    i += length;
  }
  return out;
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : clean(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string_view style(DrawNode::Kind kind) {
  switch (kind) {
    case DrawNode::Kind::kInput:
    case DrawNode::Kind::kOutput:
      return "io";
    case DrawNode::Kind::kDelegate:
      return "delegate";
    case DrawNode::Kind::kControl:
      return "control";
    case DrawNode::Kind::kKernel:
      break;
  }
  return "kernel";
}

void draw_edge(const DrawEdge& edge, const std::vector<std::pair<double, double>>& path,
               std::string& out) {
  out += fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}", edge.control ? "jump" : "edge",
                     path[0].first, path[0].second);
  for (size_t i = 1; i < path.size(); ++i) {
    const auto& [x0, y0] = path[i - 1];
    const auto& [x1, y1] = path[i];
    const double middle = (y0 + y1) / 2;
    if (x0 == x1) {
      out += fmt::format("V{:.1f}", y1);
    } else {
      out +=
          fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", x0, middle, x1, middle, x1, y1);
    }
  }
  out += "\">";
  if (!edge.label.empty()) out += "<title>" + xml(edge.label) + "</title>";
  out += "</path>\n";
}

}  // namespace

Result<std::string> svg(const Drawing& drawing) {
  if (drawing.nodes.size() > kMostNodes || drawing.edges.size() > kMostEdges) {
    return make_error(Code::kResourceLimit,
                      "{} nodes and {} edges are too many for a picture; at most {} and {}",
                      drawing.nodes.size(), drawing.edges.size(), kMostNodes, kMostEdges)
        .with_hint("a .dot file has no limit");
  }
  const Placed placed = place(drawing);
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"ui-monospace,monospace\" "
      "font-size=\"11.5\">\n",
      placed.width, placed.height);
  out +=
      "<style>\n"
      "rect{stroke-width:1}\n"
      ".kernel rect{fill:#eef3fb;stroke:#5b7db1}\n"
      ".delegate rect{fill:#fdf0dd;stroke:#c98a2b}\n"
      ".io rect{fill:#e9f5ec;stroke:#4d9a63}\n"
      ".control rect{fill:#f4eefa;stroke:#8461b0}\n"
      "text{text-anchor:middle;fill:#1c2430}\n"
      ".small{fill:#5f6b7a;font-size:10px}\n"
      ".edge,.jump{fill:none;stroke:#8a94a3;stroke-width:1.1;marker-end:url(#tip)}\n"
      ".jump{stroke-dasharray:4 3;stroke:#8461b0}\n"
      "</style>\n"
      "<marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
      "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 1 7 4 0 7z\" fill=\"#8a94a3\"/></marker>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  out += fmt::format("<text x=\"{:.0f}\" y=\"22\" style=\"text-anchor:start\">{}</text>\n", 20.0,
                     xml(drawing.title));
  for (size_t e = 0; e < drawing.edges.size(); ++e) {
    draw_edge(drawing.edges[e], placed.paths[e], out);
  }
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    const DrawNode& node = drawing.nodes[i];
    const Placed::Box& box = placed.boxes[i];
    out += fmt::format(
        "<g class=\"{}\"><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" "
        "rx=\"4\"/><text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
        style(node.kind), box.x - box.width / 2, box.y, box.width, box.height, box.x, box.y + 17,
        xml(node.title));
    if (!node.detail.empty()) {
      out += fmt::format("<text class=\"small\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", box.x,
                         box.y + 32, xml(node.detail));
    }
    out += "</g>\n";
  }
  return out + "</svg>\n";
}

std::string dot(const Drawing& drawing) {
  const auto quoted = [](std::string_view text) {
    std::string out = "\"";
    for (const char c : clean(text)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out;
  };
  std::string out = "digraph method {\n  node [shape=box, fontname=monospace, fontsize=10];\n";
  out += "  label=" + quoted(drawing.title) + "\";\n";
  for (size_t i = 0; i < drawing.nodes.size(); ++i) {
    const DrawNode& node = drawing.nodes[i];
    std::string label = quoted(node.title);
    if (!node.detail.empty()) label += "\\n" + quoted(node.detail).substr(1);
    out += fmt::format("  n{} [label={}\", class=\"{}\"];\n", i, label, style(node.kind));
  }
  for (const DrawEdge& edge : drawing.edges) {
    out += fmt::format("  n{} -> n{} [label={}\"{}];\n", edge.from, edge.to, quoted(edge.label),
                       edge.control ? ", style=dashed" : "");
  }
  return out + "}\n";
}

}  // namespace pte::inspect
