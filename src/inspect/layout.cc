// Layers, their order, and places: the method of Sugiyama, Tagawa and Toda in its plainest form.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "inspect/drawing.h"
#include "inspect/text_width.h"

namespace pte::inspect {
namespace {

constexpr double kCharacter = 7.0;  // of the monospaced font that svg() asks for
constexpr double kGapX = 24, kGapY = 34, kMargin = 20;
// Long edges get a bend in every layer they cross, as long as there are not too many of them.
constexpr size_t kMostBends = 60'000;

struct Cell {
  size_t layer = 0;
  size_t order = 0;
  double x = 0;  // the middle
  double width = 2;
  std::vector<size_t> up, down;
};

class Placer {
 public:
  explicit Placer(const Drawing& drawing) : drawing_(drawing) {}

  Placed run() {
    assign_layers();
    make_cells();
    order_layers();
    assign_x();
    return finish();
  }

 private:
  bool forward(const DrawEdge& edge) const { return edge.from < edge.to; }

  // Edges run from lower to higher node numbers but for jumps back, which do not count.
  void assign_layers() {
    layer_.assign(drawing_.nodes.size(), 0);
    std::vector<std::vector<size_t>> out(drawing_.nodes.size());
    std::vector<bool> is_root(drawing_.nodes.size(), true);
    for (const DrawEdge& edge : drawing_.edges) {
      if (!forward(edge)) continue;
      out[edge.from].push_back(edge.to);
      is_root[edge.to] = false;
    }
    for (size_t node = 0; node < out.size(); ++node) {
      for (const size_t to : out[node]) layer_[to] = std::max(layer_[to], layer_[node] + 1);
    }
    // What is only needed later is drawn near where it is needed.
    for (size_t node = out.size(); node-- > 0;) {
      if (out[node].empty()) continue;
      size_t nearest = SIZE_MAX;
      for (const size_t to : out[node]) nearest = std::min(nearest, layer_[to]);
      if (is_root[node]) layer_[node] = nearest - 1;
    }
  }

  void make_cells() {
    cells_.resize(drawing_.nodes.size());
    for (size_t i = 0; i < cells_.size(); ++i) {
      cells_[i].layer = layer_[i];
      const DrawNode& node = drawing_.nodes[i];
      cells_[i].width = 16 + kCharacter * static_cast<double>(std::max(text_width(node.title),
                                                                       text_width(node.detail)));
    }
    bends_.resize(drawing_.edges.size());
    size_t budget = kMostBends;
    for (size_t e = 0; e < drawing_.edges.size(); ++e) {
      const DrawEdge& edge = drawing_.edges[e];
      if (!forward(edge)) continue;
      const size_t span = layer_[edge.to] - layer_[edge.from];
      size_t last = edge.from;
      if (span > 1 && span - 1 <= budget) {
        budget -= span - 1;
        for (size_t layer = layer_[edge.from] + 1; layer < layer_[edge.to]; ++layer) {
          Cell bend;
          bend.layer = layer;
          cells_.push_back(std::move(bend));
          const size_t cell = cells_.size() - 1;
          bends_[e].push_back(cell);
          cells_[last].down.push_back(cell);
          cells_[cell].up.push_back(last);
          last = cell;
        }
      }
      cells_[last].down.push_back(edge.to);
      cells_[edge.to].up.push_back(last);
    }
    size_t layers = 0;
    for (const Cell& cell : cells_) layers = std::max(layers, cell.layer + 1);
    layers_.resize(layers);
    for (size_t i = 0; i < cells_.size(); ++i) layers_[cells_[i].layer].push_back(i);
    for (auto& layer : layers_) renumber(layer);
  }

  void renumber(std::vector<size_t>& layer) {
    for (size_t i = 0; i < layer.size(); ++i) cells_[layer[i]].order = i;
  }

  // Each cell goes to the mean place of its neighbours, layer after layer, down and up again.
  void order_layers() {
    const int sweeps = cells_.size() > 20'000 ? 4 : 12;
    std::vector<double> key(cells_.size(), 0);
    for (int sweep = 0; sweep < sweeps; ++sweep) {
      const bool down = sweep % 2 == 0;
      for (size_t n = 0; n < layers_.size(); ++n) {
        auto& layer = layers_[down ? n : layers_.size() - 1 - n];
        for (const size_t cell : layer) {
          const auto& near = down ? cells_[cell].up : cells_[cell].down;
          double sum = 0;
          for (const size_t other : near) sum += static_cast<double>(cells_[other].order);
          key[cell] = near.empty() ? static_cast<double>(cells_[cell].order)
                                   : sum / static_cast<double>(near.size());
        }
        std::stable_sort(layer.begin(), layer.end(),
                         [&](size_t a, size_t b) { return key[a] < key[b]; });
        renumber(layer);
      }
    }
  }

  double gap(size_t a, size_t b) const { return (cells_[a].width + cells_[b].width) / 2 + kGapX; }

  // Cells keep their order and distance and lean towards their neighbours.
  void assign_x() {
    for (auto& layer : layers_) {
      double x = 0;
      for (size_t i = 0; i < layer.size(); ++i) {
        if (i > 0) x += gap(layer[i - 1], layer[i]);
        cells_[layer[i]].x = x;
      }
    }
    const int sweeps = cells_.size() > 20'000 ? 6 : 24;
    std::vector<double> want;
    for (int sweep = 0; sweep < sweeps; ++sweep) {
      const bool down = sweep % 2 == 0;
      for (size_t n = 0; n < layers_.size(); ++n) {
        const auto& layer = layers_[down ? n : layers_.size() - 1 - n];
        want.clear();
        for (const size_t cell : layer) {
          const auto& near = down ? cells_[cell].up : cells_[cell].down;
          double sum = 0;
          for (const size_t other : near) sum += cells_[other].x;
          want.push_back(near.empty() ? cells_[cell].x : sum / static_cast<double>(near.size()));
        }
        settle(layer, want);
      }
    }
  }

  // The nearest places to `want` that keep order and gaps: runs that push each other move as one.
  void settle(const std::vector<size_t>& layer, const std::vector<double>& want) {
    struct Run {
      double sum = 0;  // of (wanted - offset in the run)
      size_t count = 0;
      size_t begin = 0;
      double length = 0;  // from the first cell to the last
      double start() const { return sum / static_cast<double>(count); }
    };
    std::vector<Run> runs;
    for (size_t i = 0; i < layer.size(); ++i) {
      runs.push_back({want[i], 1, i, 0});
      while (runs.size() > 1) {
        Run& last = runs.back();
        Run& before = runs[runs.size() - 2];
        const double space = gap(layer[last.begin - 1], layer[last.begin]);
        if (before.start() + before.length + space <= last.start()) break;
        const double offset = before.length + space;
        before.sum += last.sum - offset * static_cast<double>(last.count);
        before.count += last.count;
        before.length = offset + last.length;
        runs.pop_back();
      }
    }
    for (const Run& run : runs) {
      double x = run.start();
      for (size_t i = run.begin; i < run.begin + run.count; ++i) {
        if (i > run.begin) x += gap(layer[i - 1], layer[i]);
        cells_[layer[i]].x = x;
      }
    }
  }

  Placed finish() {
    Placed out;
    double left = 0, right = 0;
    for (size_t i = 0; i < cells_.size(); ++i) {
      const double from = cells_[i].x - cells_[i].width / 2;
      const double to = cells_[i].x + cells_[i].width / 2;
      left = i == 0 ? from : std::min(left, from);
      right = i == 0 ? to : std::max(right, to);
    }
    std::vector<double> top(layers_.size() + 1, kMargin + 24);
    std::vector<double> height(layers_.size(), 0);
    for (size_t l = 0; l < layers_.size(); ++l) {
      for (const size_t cell : layers_[l]) {
        if (cell >= drawing_.nodes.size()) continue;
        const bool two = !drawing_.nodes[cell].detail.empty();
        height[l] = std::max(height[l], two ? 40.0 : 26.0);
      }
      top[l + 1] = top[l] + height[l] + kGapY;
    }
    const double shift = kMargin - left;
    for (size_t i = 0; i < drawing_.nodes.size(); ++i) {
      const bool two = !drawing_.nodes[i].detail.empty();
      out.boxes.push_back({cells_[i].x + shift, top[cells_[i].layer], cells_[i].width,
                           two ? 40.0 : 26.0, cells_[i].layer});
    }
    for (size_t e = 0; e < drawing_.edges.size(); ++e) {
      const DrawEdge& edge = drawing_.edges[e];
      auto& path = out.paths.emplace_back();
      const Placed::Box& from = out.boxes[edge.from];
      const Placed::Box& to = out.boxes[edge.to];
      path.emplace_back(from.x, from.y + from.height);
      for (const size_t bend : bends_[e]) {
        const double x = cells_[bend].x + shift;
        path.emplace_back(x, top[cells_[bend].layer]);
        path.emplace_back(x, top[cells_[bend].layer] + height[cells_[bend].layer]);
      }
      path.emplace_back(to.x, to.y);
    }
    out.width = right - left + 2 * kMargin;
    out.height = top.back() + kMargin - kGapY;
    return out;
  }

  const Drawing& drawing_;
  std::vector<size_t> layer_;
  std::vector<Cell> cells_;
  std::vector<std::vector<size_t>> bends_;
  std::vector<std::vector<size_t>> layers_;
};

}  // namespace

Placed place(const Drawing& drawing) { return Placer(drawing).run(); }

}  // namespace pte::inspect
