/* Which layers do another's work on the way, and where everything lies in memory. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "network.h"

/* Readers of a layer's output, the loss among them. */
static uint32_t readers(const training_network *n, int32_t number) {
  uint32_t count = number == (int32_t)n->layer_count - 1;
  for (uint32_t i = 0; i < n->layer_count; i++) {
    const training_layer *d = &n->layers[i].described;
    count += d->source == number;
    count += d->kind == TRAINING_ADD && d->second == number;
  }
  return count;
}

static uint32_t can_cut(uint32_t kind) {
  return kind == TRAINING_DENSE || kind == TRAINING_CONVOLUTION || kind == TRAINING_BATCH_NORM || kind == TRAINING_ADD;
}

/* The only reader of a layer; -1 if it has several. */
static int32_t only_reader(const training_network *n, int32_t number) {
  if (readers(n, number) != 1) return -1;
  for (uint32_t i = (uint32_t)number + 1; i < n->layer_count; i++)
    if (n->layers[i].described.source == number) return n->layers[i].described.kind == TRAINING_ADD ? -1 : (int32_t)i;
  return -1;
}

/* ReLU is done by the layer before it; or by the maximum pool after it, which comes to the same and has less to do. */
static void fuse_relu(training_network *n, uint32_t number) {
  layer *l = &n->layers[number];
  int32_t source = l->described.source;
  if (source < 0 || readers(n, source) != 1) return;
  int32_t after = only_reader(n, (int32_t)number);
  if (after >= 0 && n->layers[after].described.kind == TRAINING_MAX_POOL &&
      n->layers[source].described.kind == TRAINING_CONVOLUTION) {
    n->layers[after].relu = 1;
    l->same_as = source;
  } else if (can_cut(n->layers[source].described.kind)) {
    n->layers[source].relu = 1;
    l->same_as = source;
  }
}

static int32_t resolved(const training_network *n, int32_t number) {
  while (number >= 0 && n->layers[number].same_as != number) number = n->layers[number].same_as;
  return number;
}

void training_fuse(training_network *n) {
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    l->same_as = (int32_t)i;
    if (l->described.kind == TRAINING_FLATTEN) l->same_as = l->described.source;
    if (l->described.kind == TRAINING_RELU) fuse_relu(n, i);
  }
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    l->source = resolved(n, l->described.source);
    l->second = l->described.kind == TRAINING_ADD ? resolved(n, l->described.second) : -1;
    if (l->same_as != (int32_t)i) continue;
    l->last_reader = i;
    if (l->source >= 0) n->layers[l->source].last_reader = i;
    if (l->second >= 0) n->layers[l->second].last_reader = i;
  }
  int32_t last = resolved(n, (int32_t)n->layer_count - 1);
  if (last >= 0) n->layers[last].last_reader = n->layer_count;
}

/* Hands out memory; without a base it only counts. */
typedef struct arena {
  uint8_t *base;
  uint64_t used;
} arena;

static void *take(arena *a, uint64_t bytes) {
  void *place = a->base ? a->base + a->used : NULL;
  a->used += (bytes + 63) / 64 * 64;
  return place;
}

static uint64_t lanes_bytes(const training_network *n, training_shape shape) {
  return (uint64_t)blocks_of(n->batch) * features_of(shape) * LANES * sizeof(float);
}

/* A gradient lives from the last reader of its layer's output back to the layer; those that never live together share
 * memory. Returns the bytes of all. */
static uint64_t place_gradients(training_network *n, uint64_t *offsets) {
  uint64_t total = 0;
  for (uint32_t i = n->layer_count; i-- > 0;) {
    layer *l = &n->layers[i];
    if (l->same_as != (int32_t)i) continue;
    uint64_t offset = 0, bytes = lanes_bytes(n, l->out);
    for (uint32_t j = n->layer_count; j-- > i + 1;) {
      layer *other = &n->layers[j];
      if (other->same_as != (int32_t)j || j > l->last_reader) continue;
      uint64_t end = offsets[j] + lanes_bytes(n, other->out);
      if (offset >= end || offsets[j] >= offset + bytes) continue;
      /* Past it, and then all others are asked once more. */
      offset = end;
      j = n->layer_count;
    }
    offsets[i] = offset;
    if (offset + bytes > total) total = offset + bytes;
  }
  return total;
}

static void lay_out_layer(training_network *n, layer *l, arena *a) {
  uint64_t weights = 0;
  l->out_lanes = take(a, lanes_bytes(n, l->out));
  switch (l->described.kind) {
  case TRAINING_CONVOLUTION:
    weights = (uint64_t)l->in.channels * l->described.outputs * l->described.window * l->described.window;
    l->packed = take(a, weights * sizeof(float));
    l->packed_back = take(a, weights * sizeof(float));
    return;
  case TRAINING_MAX_POOL: l->chosen = take(a, lanes_bytes(n, l->out) / sizeof(float)); return;
  case TRAINING_BATCH_NORM: l->statistics = take(a, (uint64_t)l->in.channels * 2 * sizeof(float)); return;
  case TRAINING_LAYER_NORM: l->statistics = take(a, (uint64_t)blocks_of(n->batch) * 2 * LANES * sizeof(float)); return;
  case TRAINING_DENSE: {
    uint64_t pitch = (uint64_t)blocks_of(features_of(l->in)) * LANES;
    if (pitch > n->row_pitch) n->row_pitch = pitch;
    return;
  }
  default: return;
  }
}

static void lay_out(training_network *n, arena *a, const uint64_t *gradient_offsets, uint64_t gradient_bytes) {
  const uint64_t samples = (uint64_t)blocks_of(n->batch) * LANES, trained = n->trained_count * sizeof(float);
  n->parameters = take(a, n->parameter_count * sizeof(float));
  n->gradients = take(a, trained);
  n->first = take(a, trained);
  n->second = take(a, trained);
  n->anchor = take(a, trained);
  n->correction = take(a, trained);
  n->input_lanes = take(a, lanes_bytes(n, n->input));
  for (uint32_t i = 0; i < n->layer_count; i++)
    if (n->layers[i].same_as == (int32_t)i) lay_out_layer(n, &n->layers[i], a);
  uint8_t *gradients = take(a, gradient_bytes);
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    int32_t same = resolved(n, (int32_t)i);
    if (same == (int32_t)i) l->gradient = gradients ? (float *)(gradients + gradient_offsets[i]) : NULL;
    /* Nobody reads this but the loss, of a network that ends in a flatten. */
    else if (same >= 0 && a->base) l->out_lanes = n->layers[same].out_lanes, l->gradient = n->layers[same].gradient;
  }
  n->row_room = take(a, samples * n->row_pitch * sizeof(float));
  n->rows = take(a, samples * sizeof(float *));
  n->sample_rows = take(a, samples * sizeof(float *));
  n->target_rows = take(a, samples * sizeof(float *));
  n->labels = take(a, samples * sizeof(int32_t));
  n->strip_floats = n->row_pitch * n->kernels->dense_tile;
  n->strips = take(a, n->threads * n->strip_floats * sizeof(float));
}

/* The room, if it is as large as what is wanted, or new memory. */
static void *memory_for(uint64_t bytes, training_room room) {
  if (bytes > TRAINING_MEMORY_LIMIT) return MAP_FAILED;
  if (room.start && room.bytes == bytes) return room.start;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  /* Kernels read from many places at once, each of them a page. */
  if (memory != MAP_FAILED) madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

int32_t training_plan(training_network *n, training_room room, training_error *error) {
  uint64_t *offsets = calloc(n->layer_count, sizeof(uint64_t));
  if (!offsets) return training_fail(error, "no memory for the plan");
  uint64_t gradient_bytes = place_gradients(n, offsets);
  arena counted = {0};
  lay_out(n, &counted, offsets, gradient_bytes);
  void *memory = memory_for(counted.used, room);
  if (memory == MAP_FAILED) {
    free(offsets);
    return training_fail(error, "no memory: the network takes %llu MB for batches of %u; take smaller ones",
                         (unsigned long long)(counted.used >> 20), n->batch);
  }
  n->arena = memory;
  n->arena_bytes = counted.used;
  arena real = {.base = memory};
  lay_out(n, &real, offsets, gradient_bytes);
  free(offsets);
  return 0;
}
