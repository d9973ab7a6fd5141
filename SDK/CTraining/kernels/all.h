/* All kernels, for the processor that the including file has chosen, as the table KERNELS called KERNELS_NAME. */
/* Nothing here is called with a vector: all that takes one is inlined. */
#pragma clang diagnostic ignored "-Wpsabi"

#include "basics.h"

#include "correlate.h"
#include "correlate_weights.h"
#include "dense.h"
#include "elementwise.h"
#include "normalise.h"
#include "pool.h"
#include "transpose.h"
#include "update.h"

const kernels KERNELS = {
    .name = KERNELS_NAME,
    .tile_channels = TILE_CHANNELS,
    .dense_tile = DENSE_ROWS,
    .correlate = correlate,
    .weight_tasks = weight_tasks,
    .correlate_weights = correlate_weights,
    .dense_forward = dense_forward_rows,
    .dense_backward = dense_backward_inputs,
    .dense_weights = dense_weight_strip,
    .channel_sums = sum_channels,
    .to_lanes = to_lanes,
    .to_rows = to_rows,
    .max_pool = max_pool,
    .max_pool_backward = max_pool_backward,
    .average_pool = average_pool,
    .average_pool_backward = average_pool_backward,
    .batch_norm = batch_norm_forward,
    .batch_norm_evaluate = batch_norm_evaluate,
    .batch_norm_backward = batch_norm_backward,
    .layer_norm = layer_norm_forward,
    .layer_norm_backward = layer_norm_backward,
    .layer_norm_weights = layer_norm_weights,
    .relu = relu,
    .relu_backward = relu_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .dropout = dropout,
    .add = add,
    .pass = pass,
    .softmax = softmax,
    .update = update,
};
