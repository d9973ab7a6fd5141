/* Pools, norms, and what is done to each number alone. */
#include "network.h"

typedef struct shared_kernel {
  kernel kernel;
  const void *work;
} shared_kernel;

static void part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  (void)worker;
  const shared_kernel *shared = context;
  shared->kernel(shared->work, begin, end);
}

void training_share(training_network *n, kernel kernel, const void *work, uint32_t tasks, uint64_t operations) {
  const shared_kernel shared = {kernel, work};
  share(n, part, &shared, tasks, operations * tasks);
}

void training_bias_back(training_network *n, layer *l) {
  if (l->bias == NO_TENSOR) return;
  const channel_sums work = {.in = l->gradient, .channels = l->out.channels, .area = area_of(l->out),
                             .blocks = n->blocks, .sums = n->gradients + l->bias};
  training_share(n, n->kernels->channel_sums, &work, work.channels, (uint64_t)work.area * n->blocks);
  training_tensor_done(n, l->bias, work.channels);
}

static pooling pool_work(training_network *n, layer *l) {
  const training_layer *d = &l->described;
  /* A global average is one window over everything. */
  const uint32_t global = d->kind == TRAINING_GLOBAL_AVERAGE;
  return (pooling){.in = output_of(n, l->source), .out = l->out_lanes, .chosen = l->chosen, .out_gradient = l->gradient,
                   .in_height = l->in.height, .in_width = l->in.width, .out_height = l->out.height,
                   .out_width = l->out.width, .window_height = global ? l->in.height : d->window,
                   .window_width = global ? l->in.width : d->window, .stride = global ? 1 : d->stride, .relu = l->relu};
}

void training_pool(training_network *n, layer *l) {
  const pooling work = pool_work(n, l);
  training_share(n, l->described.kind == TRAINING_MAX_POOL ? n->kernels->max_pool : n->kernels->average_pool, &work,
                 n->blocks * l->in.channels, area_of(l->in));
}

void training_pool_back(training_network *n, layer *l) {
  pooling work = pool_work(n, l);
  work.in_gradient = gradient_of(n, l->source, &work.accumulate);
  if (!work.in_gradient) return;
  const uint32_t most = l->described.kind == TRAINING_MAX_POOL;
  training_share(n, most ? n->kernels->max_pool_backward : n->kernels->average_pool_backward, &work,
                 n->blocks * l->in.channels, area_of(l->in));
}

static batch_norm batch_norm_work(training_network *n, layer *l) {
  const uint32_t channels = l->in.channels;
  return (batch_norm){.in = output_of(n, l->source), .out = l->out_lanes, .out_gradient = l->gradient,
                      .channels = channels, .area = area_of(l->in), .blocks = n->blocks, .samples = n->samples,
                      .relu = l->relu, .epsilon = l->described.epsilon, .scale = n->parameters + l->weight,
                      .shift = n->parameters + l->bias, .mean = l->statistics,
                      .inverse_deviation = l->statistics + channels, .running_mean = n->parameters + l->running_mean,
                      .running_variance = n->parameters + l->running_variance, .momentum = l->described.momentum,
                      .scale_gradient = n->gradients + l->weight, .shift_gradient = n->gradients + l->bias};
}

void training_batch_norm(training_network *n, layer *l) {
  const batch_norm work = batch_norm_work(n, l);
  training_share(n, n->training ? n->kernels->batch_norm : n->kernels->batch_norm_evaluate, &work, work.channels,
                 (uint64_t)work.area * n->blocks * 3);
}

void training_batch_norm_back(training_network *n, layer *l) {
  batch_norm work = batch_norm_work(n, l);
  work.in_gradient = gradient_of(n, l->source, &work.accumulate);
  training_share(n, n->kernels->batch_norm_backward, &work, work.channels, (uint64_t)work.area * n->blocks * 4);
  training_tensor_done(n, l->weight, work.channels);
  training_tensor_done(n, l->bias, work.channels);
}

static layer_norm layer_norm_work(training_network *n, layer *l) {
  return (layer_norm){.in = output_of(n, l->source), .out = l->out_lanes, .out_gradient = l->gradient,
                      .features = features_of(l->in), .blocks = n->blocks, .epsilon = l->described.epsilon,
                      .scale = n->parameters + l->weight, .shift = n->parameters + l->bias,
                      .statistics = l->statistics, .scale_gradient = n->gradients + l->weight,
                      .shift_gradient = n->gradients + l->bias};
}

void training_layer_norm(training_network *n, layer *l) {
  const layer_norm work = layer_norm_work(n, l);
  training_share(n, n->kernels->layer_norm, &work, n->blocks, (uint64_t)work.features * 4);
}

void training_layer_norm_back(training_network *n, layer *l) {
  layer_norm work = layer_norm_work(n, l);
  work.in_gradient = gradient_of(n, l->source, &work.accumulate);
  if (work.in_gradient)
    training_share(n, n->kernels->layer_norm_backward, &work, n->blocks, (uint64_t)work.features * 8);
  training_share(n, n->kernels->layer_norm_weights, &work, work.features, n->blocks * 4);
  training_tensor_done(n, l->weight, work.features);
  training_tensor_done(n, l->bias, work.features);
}

static uint32_t vectors(const training_network *n, const layer *l) { return n->blocks * features_of(l->out); }

static elementwise dropout_work(const training_network *n, const layer *l, uint32_t number) {
  /* Each layer of each pass gets a key of its own. */
  uint64_t key = n->seed + 0x9E3779B97F4A7C15ull * (n->passes * TRAINING_LAYER_LIMIT + number + 1);
  key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ull;
  key = (key ^ (key >> 27)) * 0x94D049BB133111EBull;
  return (elementwise){.key = (uint32_t)(key >> 32), .threshold = (uint32_t)(l->described.rate * 16777216.0f),
                       .scale = 1.0f / (1.0f - l->described.rate)};
}

void training_elementwise(training_network *n, layer *l, uint32_t number) {
  elementwise work = {0};
  kernel kernel = n->kernels->pass;
  switch (l->described.kind) {
  case TRAINING_RELU: kernel = n->kernels->relu; break;
  case TRAINING_GELU: kernel = n->kernels->gelu; break;
  case TRAINING_ADD: kernel = n->kernels->add; break;
  default:
    if (n->training) {
      work = dropout_work(n, l, number);
      kernel = n->kernels->dropout;
    }
  }
  work.in = output_of(n, l->source);
  if (l->described.kind == TRAINING_ADD) work.second = output_of(n, l->second);
  work.out = l->out_lanes;
  work.relu = l->relu;
  training_share(n, kernel, &work, vectors(n, l), 4);
}

void training_cut(training_network *n, layer *l) {
  if (!l->relu) return;
  const elementwise work = {.in = l->gradient, .second = l->out_lanes, .out = l->gradient};
  training_share(n, n->kernels->relu_backward, &work, vectors(n, l), 2);
}

static void send_back(training_network *n, const layer *l, kernel kernel, elementwise work, int32_t source) {
  work.in = l->gradient;
  work.out = gradient_of(n, source, &work.accumulate);
  if (work.out) training_share(n, kernel, &work, vectors(n, l), 4);
}

void training_elementwise_back(training_network *n, layer *l, uint32_t number) {
  switch (l->described.kind) {
  case TRAINING_RELU:
    send_back(n, l, n->kernels->relu_backward, (elementwise){.second = l->out_lanes}, l->source);
    return;
  case TRAINING_GELU:
    send_back(n, l, n->kernels->gelu_backward, (elementwise){.second = output_of(n, l->source)}, l->source);
    return;
  case TRAINING_ADD:
    training_cut(n, l);
    send_back(n, l, n->kernels->pass, (elementwise){0}, l->source);
    send_back(n, l, n->kernels->pass, (elementwise){0}, l->second);
    return;
  default: send_back(n, l, n->kernels->dropout, dropout_work(n, l, number), l->source);
  }
}
