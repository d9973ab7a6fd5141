/* The gradient of a convolution's weights: a group of output channels by the columns of one kernel row stays in
 * registers while all places of the output go by; the lanes are added up at the end. */

/* Adds one row of the kernel over some rows of the output. */
INLINE void weight_tile(const weight_gradient *w, const float *in, const float *gradient, float *sums, uint32_t tap_row,
                        uint32_t begin, uint32_t end, const uint32_t channels, const uint32_t taps,
                        uint32_t first_tap) {
  lanes kept[WEIGHT_CHANNELS][WEIGHT_TAPS];
  const size_t kernel = (size_t)w->kernel_height * w->kernel_width;
  float *place = sums + (tap_row * w->kernel_width + first_tap) * LANES;
  REPEATED for (uint32_t i = 0; i < channels; i++)
    REPEATED for (uint32_t k = 0; k < taps; k++) kept[i][k] = CONSTANT_LANES(place + (i * kernel + k) * LANES);
  const size_t map = (size_t)w->out_height * w->out_width * LANES;
  const int32_t shift = (int32_t)first_tap - (int32_t)w->padding;
  /* Columns at which all the taps lie inside. */
  uint32_t inner = shift < 0 ? ((uint32_t)-shift + w->stride - 1) / w->stride : 0;
  int32_t room = (int32_t)w->in_width - (int32_t)taps - shift;
  uint32_t outer = room < 0 ? 0 : (uint32_t)room / w->stride + 1;
  if (outer > w->out_width) outer = w->out_width;
  if (inner > outer) inner = outer;
  for (uint32_t row = begin; row < end; row++) {
    int32_t in_row = (int32_t)(row * w->stride + tap_row) - (int32_t)w->padding;
    if (in_row < 0 || in_row >= (int32_t)w->in_height) continue;
    const float *line = in + (ptrdiff_t)in_row * w->in_width * (ptrdiff_t)LANES;
    const float *slope = gradient + (size_t)row * w->out_width * LANES;
    for (uint32_t column = 0; column < w->out_width; column++) {
      if (column == inner) {
        const float *x = line + ((ptrdiff_t)(column * w->stride) + shift) * (ptrdiff_t)LANES;
        for (; column < outer; column++) {
          lanes values[WEIGHT_TAPS];
          REPEATED for (uint32_t k = 0; k < taps; k++) values[k] = CONSTANT_LANES(x + k * LANES);
          REPEATED for (uint32_t i = 0; i < channels; i++) {
            lanes factor = CONSTANT_LANES(slope + i * map + (size_t)column * LANES);
            REPEATED for (uint32_t k = 0; k < taps; k++) kept[i][k] += factor * values[k];
          }
          x += (size_t)w->stride * LANES;
        }
        if (column >= w->out_width) break;
      }
      REPEATED for (uint32_t k = 0; k < taps; k++) {
        int32_t in_column = (int32_t)(column * w->stride + k) + shift;
        if (in_column < 0 || in_column >= (int32_t)w->in_width) continue;
        lanes value = CONSTANT_LANES(line + (ptrdiff_t)in_column * (ptrdiff_t)LANES);
        REPEATED for (uint32_t i = 0; i < channels; i++)
          kept[i][k] += value * CONSTANT_LANES(slope + i * map + (size_t)column * LANES);
      }
    }
  }
  REPEATED for (uint32_t i = 0; i < channels; i++)
    REPEATED for (uint32_t k = 0; k < taps; k++) LANES_OF(place + (i * kernel + k) * LANES) = kept[i][k];
}

#define WEIGHT_ROW(channels, taps)                                                                              \
  static __attribute__((noinline)) void weight_row_##channels##_##taps(                                         \
      const weight_gradient *w, const float *in, const float *gradient, float *sums, uint32_t tap_row,          \
      uint32_t begin, uint32_t end, uint32_t first_tap) {                                                       \
    weight_tile(w, in, gradient, sums, tap_row, begin, end, channels, taps, first_tap);                         \
  }
#define WEIGHT_ROWS(channels) WEIGHT_ROW(channels, 1) WEIGHT_ROW(channels, 2) WEIGHT_ROW(channels, 3)
WEIGHT_ROWS(1)
WEIGHT_ROWS(2)
#if WEIGHT_CHANNELS >= 8
WEIGHT_ROWS(3)
WEIGHT_ROWS(4)
WEIGHT_ROWS(5)
WEIGHT_ROWS(6)
WEIGHT_ROWS(7)
WEIGHT_ROWS(8)
WEIGHT_ROW(1, 5)
WEIGHT_ROW(2, 5)
WEIGHT_ROW(3, 5)
WEIGHT_ROW(4, 5)
#endif

typedef void (*weight_row)(const weight_gradient *, const float *, const float *, float *, uint32_t, uint32_t, uint32_t,
                           uint32_t);
#define WEIGHT_CHOICE(channels) {NULL, weight_row_##channels##_1, weight_row_##channels##_2, weight_row_##channels##_3}
static const weight_row weight_rows[][4] = {
    {NULL, NULL, NULL, NULL}, WEIGHT_CHOICE(1), WEIGHT_CHOICE(2),
#if WEIGHT_CHANNELS >= 8
    WEIGHT_CHOICE(3),         WEIGHT_CHOICE(4), WEIGHT_CHOICE(5), WEIGHT_CHOICE(6), WEIGHT_CHOICE(7), WEIGHT_CHOICE(8),
#endif
};

/* Kernels of five columns are common enough for a loop of their own, with fewer channels at a time. */
INLINE uint32_t five_wide(const weight_gradient *w) { return WEIGHT_CHANNELS >= 8 && w->kernel_width == 5; }

static uint32_t weight_groups(const weight_gradient *w) {
  uint32_t most = five_wide(w) ? WEIGHT_CHANNELS / 2 : WEIGHT_CHANNELS;
  return (w->out_channels + most - 1) / most;
}

static uint32_t weight_tasks(const weight_gradient *w) { return weight_groups(w) * w->in_channels; }

static void weight_kernel_row(const weight_gradient *w, const float *in, const float *gradient, float *sums,
                              uint32_t tap_row, uint32_t begin, uint32_t end, uint32_t channels) {
#if WEIGHT_CHANNELS >= 8
  static const weight_row fives[] = {NULL, weight_row_1_5, weight_row_2_5, weight_row_3_5, weight_row_4_5};
  if (five_wide(w)) {
    fives[channels](w, in, gradient, sums, tap_row, begin, end, 0);
    return;
  }
#endif
  for (uint32_t tap = 0; tap < w->kernel_width;) {
    uint32_t left = w->kernel_width - tap, taps = left < 3 ? left : 3;
    weight_rows[channels][taps](w, in, gradient, sums, tap_row, begin, end, tap);
    tap += taps;
  }
}

static void correlate_weights(const void *work, uint32_t begin, uint32_t end) {
  const weight_gradient *w = work;
  const uint32_t groups = weight_groups(w), kernel = w->kernel_height * w->kernel_width;
  const size_t in_map = (size_t)w->in_height * w->in_width * LANES, map = (size_t)w->out_height * w->out_width * LANES;
  for (uint32_t task = begin; task < end; task++) {
    uint32_t group = task / w->in_channels, source = task % w->in_channels;
    uint32_t channel = group * w->out_channels / groups;
    uint32_t channels = (group + 1) * w->out_channels / groups - channel;
    lanes sums[WEIGHT_CHANNELS * TRAINING_KERNEL_LIMIT * TRAINING_KERNEL_LIMIT];
    for (uint32_t i = 0; i < channels * kernel; i++) sums[i] = (lanes){};
    /* So many rows of the gradient stay in the nearest cache while the kernel's rows take turns. */
    uint32_t band = WEIGHT_BAND_BYTES / (channels * w->out_width * LANES * (uint32_t)sizeof(float));
    if (band == 0) band = 1;
    for (uint32_t block = 0; block < w->blocks; block++) {
      const float *in = w->in + ((size_t)block * w->in_channels + source) * in_map;
      const float *slope = w->out_gradient + ((size_t)block * w->out_channels + channel) * map;
      for (uint32_t row = 0; row < w->out_height; row += band) {
        uint32_t stop = row + band < w->out_height ? row + band : w->out_height;
        for (uint32_t tap_row = 0; tap_row < w->kernel_height; tap_row++)
          weight_kernel_row(w, in, slope, (float *)sums, tap_row, row, stop, channels);
      }
    }
    for (uint32_t i = 0; i < channels; i++) {
      float *place = w->gradient + ((size_t)(channel + i) * w->in_channels + source) * kernel;
      for (uint32_t k = 0; k < kernel; k++) place[k] = sum_of(sums[i * kernel + k]);
    }
  }
}

static void sum_channels(const void *work, uint32_t begin, uint32_t end) {
  const channel_sums *c = work;
  const size_t map = (size_t)c->area * LANES;
  for (uint32_t channel = begin; channel < end; channel++) {
    lanes sum = {};
    for (uint32_t block = 0; block < c->blocks; block++) {
      const float *in = c->in + ((size_t)block * c->channels + channel) * map;
      for (uint32_t i = 0; i < c->area; i++) sum += CONSTANT_LANES(in + (size_t)i * LANES);
    }
    c->sums[channel] = sum_of(sum);
  }
}
