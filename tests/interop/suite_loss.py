"""Losses."""

from suite_core import *

suite(
    "loss",
    globals(),
    """
    l1 :: nn.L1Loss() :: (f(3, 4), f(3, 4))
    l1_sum :: nn.L1Loss(reduction="sum") :: (f(3, 4), f(3, 4))
    mse :: nn.MSELoss() :: (f(3, 4), f(3, 4))
    mse_none :: nn.MSELoss(reduction="none") :: (f(3, 4), f(3, 4))
    huber :: nn.HuberLoss(delta=0.5) :: (f(3, 4), f(3, 4))
    smooth_l1 :: nn.SmoothL1Loss(beta=0.5) :: (f(3, 4), f(3, 4))
    cross_entropy :: nn.CrossEntropyLoss() :: (f(3, 5), idx(5, 3))
    cross_entropy_weight :: nn.CrossEntropyLoss(weight=torch.rand(5), label_smoothing=0.1) :: (f(3, 5), idx(5, 3))
    cross_entropy_probabilities :: nn.CrossEntropyLoss() :: (f(3, 5), f(3, 5).softmax(1))
    cross_entropy_ignore :: nn.CrossEntropyLoss(ignore_index=2, reduction="sum") :: (f(4, 5), t([0, 2, 4, 2]))
    cross_entropy_2d :: nn.CrossEntropyLoss() :: (f(1, 3, 4, 4), idx(3, 1, 4, 4))
    nll :: nn.NLLLoss() :: (f(3, 5).log_softmax(1), idx(5, 3))
    bce :: nn.BCELoss() :: (pos(3, 4, low=0.1, high=0.9), b(3, 4).float())
    bce_logits :: nn.BCEWithLogitsLoss() :: (f(3, 4), b(3, 4).float())
    bce_logits_weight :: nn.BCEWithLogitsLoss(pos_weight=torch.rand(4)) :: (f(3, 4), b(3, 4).float())
    kl_div :: nn.KLDivLoss(reduction="batchmean") :: (f(3, 5).log_softmax(1), f(3, 5).softmax(1))
    kl_div_log :: nn.KLDivLoss(log_target=True, reduction="sum") :: (f(3, 5).log_softmax(1), f(3, 5).log_softmax(1))
    poisson_nll :: nn.PoissonNLLLoss() :: (f(3, 4), pos(3, 4))
    hinge_embedding :: nn.HingeEmbeddingLoss() :: (f(3, 4), b(3, 4).float() * 2 - 1)
    cosine_embedding :: nn.CosineEmbeddingLoss() :: (f(3, 4), f(3, 4), t([1.0, -1.0, 1.0]))
    margin_ranking :: nn.MarginRankingLoss(margin=0.5) :: (f(4), f(4), t([1.0, -1.0, 1.0, 1.0]))
    multi_margin :: nn.MultiMarginLoss() :: (f(3, 5), idx(5, 3))
    multilabel_margin :: nn.MultiLabelMarginLoss() :: (f(1, 4), t([[3, 0, -1, 1]]))
    multilabel_soft_margin :: nn.MultiLabelSoftMarginLoss() :: (f(3, 4), b(3, 4).float())
    soft_margin :: nn.SoftMarginLoss() :: (f(3, 4), b(3, 4).float() * 2 - 1)
    triplet_margin :: nn.TripletMarginLoss() :: (f(3, 4), f(3, 4), f(3, 4))
    """,
)
