"""The same programs in the other shapes that a file can have: what the exporter's options change."""

from suite_core import *
from suite_state import Average, CachePut, Counter


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)

    def forward(self, x, y):
        z = self.conv(x) + y
        return self.linear(z.mean((2, 3))).softmax(-1), z.amax((2, 3))


class StateOf(nn.Module):
    """Another file's module."""

    def __init__(self, made):
        super().__init__()
        self.net = made

    def forward(self, *inputs):
        return self.net(*inputs)


PAIR = "(f(1, 3, 5, 5), f(4, 1, 1))"
suite(
    "files",
    globals(),
    f"""
    inputs_not_planned :: Pair() :: {PAIR} :: config="memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False)"
    outputs_not_planned :: Pair() :: {PAIR} :: config="memory_planning_pass=MemoryPlanningPass(alloc_graph_output=False)"
    nothing_planned :: Pair() :: {PAIR} :: config="memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False)"
    delegates_inline :: Pair() :: {PAIR} :: config="extract_delegate_segments=False"
    big_alignment :: Pair() :: {PAIR} :: config="segment_alignment=4096, constant_tensor_alignment=64, delegate_alignment=64"
    small_alignment :: Pair() :: {PAIR} :: config="segment_alignment=16"
    stack_traces :: Pair() :: {PAIR} :: config="emit_stacktrace=True", no={{"xnnpack": "stack traces and delegates do not go together"}}
    views_kept :: x.view(4, 3).permute(1, 0).reshape(2, 6) + 1 :: f(3, 4) :: config="remove_view_copy=False"
    in_place_pass :: y = x + 1; y = y.relu(); y * 2 + x :: f(3, 4) :: config="run_reinplace_pass=True"
    one_node_each :: Pair() :: {PAIR} :: partition="per_op_mode=True"
    buffers_named :: StateOf(Counter()) :: f(2) :: state=True, more=("(f(2),)",), config="emit_mutable_buffer_names=True"
    buffers_initial :: StateOf(Average()) :: f(3) :: state=True, more=("(f(3),)",), config="passes=[InitializedMutableBufferPass(['mean', 'steps'])]"
    buffers_not_planned :: StateOf(CachePut()) :: (f(2, 4), t([0, 1])) :: state=True, more=("(f(2, 4), t([3, 2]))",), config="memory_planning_pass=MemoryPlanningPass(alloc_mutable_buffers=False), emit_mutable_buffer_names=True"
    dynamic_not_planned :: nn.Linear(4, 3) :: f(3, 4) :: dyn=({{0: D("n", min=1, max=8)}},), more=("(f(8, 4),)",), config="memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False)"
    strict_export :: nn.Sequential(nn.Linear(4, 3), nn.ReLU()) :: f(2, 4) :: strict=True
    auto_dimension :: x.relu() + 1 :: f(3, 4) :: dyn=({{0: D.AUTO}},), more=("(f(2, 4),)",)
    no_dim_order :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()) :: f(1, 3, 5, 5) :: nodim=True
    no_dim_order_types :: x.half().float().to(torch.int32), torch.zeros_like(x), x.clone() :: f(2, 3) :: nodim=True
    """,
)
