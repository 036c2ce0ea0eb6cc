"""Recurrent networks, attention and transformers."""

from suite_core import *


class Recurrent(nn.Module):
    """An LSTM, GRU or RNN whose state is not returned, or is, when asked for."""

    def __init__(self, made, keep=False):
        super().__init__()
        self.net = made
        self.keep = keep

    def forward(self, x):
        y, state = self.net(x)
        return (y, state) if self.keep else y


class Attention(nn.Module):
    def __init__(self, width, heads, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, **options)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class MaskedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, mask):
        return self.attention(x, x, x, key_padding_mask=mask)


suite(
    "sequence",
    globals(),
    """
    lstm :: Recurrent(nn.LSTM(4, 5, batch_first=True)) :: f(2, 3, 4)
    lstm_state :: Recurrent(nn.LSTM(4, 5), keep=True) :: f(3, 2, 4)
    lstm_two_layers :: Recurrent(nn.LSTM(4, 5, num_layers=2)) :: f(3, 1, 4)
    lstm_both_ways :: Recurrent(nn.LSTM(4, 5, bidirectional=True)) :: f(3, 1, 4)
    lstm_projection :: Recurrent(nn.LSTM(4, 5, proj_size=3)) :: f(3, 1, 4)
    lstm_quantized :: Recurrent(nn.LSTM(4, 5, batch_first=True)) :: f(1, 3, 4) :: q="dynamic"
    lstm_unbatched :: Recurrent(nn.LSTM(4, 5)) :: f(3, 4)
    gru :: Recurrent(nn.GRU(4, 5, batch_first=True), keep=True) :: f(2, 3, 4)
    gru_both_ways :: Recurrent(nn.GRU(4, 5, bidirectional=True)) :: f(3, 1, 4)
    rnn_tanh :: Recurrent(nn.RNN(4, 5)) :: f(3, 1, 4)
    rnn_relu :: Recurrent(nn.RNN(4, 5, nonlinearity="relu", bias=False)) :: f(3, 1, 4)
    lstm_cell :: nn.LSTMCell(4, 5) :: (f(2, 4), (f(2, 5), f(2, 5)))
    gru_cell :: nn.GRUCell(4, 5) :: (f(2, 4), f(2, 5))
    rnn_cell :: nn.RNNCell(4, 5) :: (f(2, 4), f(2, 5))
    sdpa :: F.scaled_dot_product_attention(x, y, z) :: (f(1, 2, 4, 8), f(1, 2, 6, 8), f(1, 2, 6, 8))
    sdpa_causal :: F.scaled_dot_product_attention(x, y, z, is_causal=True) :: (f(1, 2, 4, 8), f(1, 2, 4, 8), f(1, 2, 4, 8))
    sdpa_mask :: F.scaled_dot_product_attention(x, y, z, attn_mask=w) :: (f(1, 2, 4, 8), f(1, 2, 4, 8), f(1, 2, 4, 8), t([[True, False, False, False], [True, True, False, False], [True, True, True, False], [True, True, True, True]]))
    sdpa_float_mask :: F.scaled_dot_product_attention(x, y, z, attn_mask=w, scale=0.3) :: (f(1, 2, 4, 8), f(1, 2, 4, 8), f(1, 2, 4, 8), f(4, 4))
    multihead :: Attention(8, 2) :: f(4, 1, 8)
    multihead_batch_first :: Attention(8, 2, batch_first=True, bias=False) :: f(2, 4, 8)
    multihead_weights :: MaskedAttention() :: (f(2, 4, 8), t([[False, False, True, True], [False, False, False, True]]))
    encoder_layer :: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) :: f(1, 4, 8)
    encoder_layer_norm_first :: nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", norm_first=True, batch_first=True) :: f(1, 4, 8) :: q="static dynamic"
    encoder :: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False) :: f(1, 4, 8)
    decoder_layer :: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True) :: (f(1, 3, 8), f(1, 4, 8))
    transformer :: nn.Transformer(8, 2, 1, 1, 16, batch_first=True) :: (f(1, 4, 8), f(1, 3, 8))
    """,
)
