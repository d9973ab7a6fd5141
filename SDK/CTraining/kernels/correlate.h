/* Convolution: a tile of output channels by a few columns stays in registers while all its inputs go by. */

#define REPEATED _Pragma("clang loop unroll(full)")

INLINE void correlate_tile(const correlation *c, const float *weights, uint32_t channel, uint32_t row, uint32_t column,
                           uint32_t first_tap, uint32_t end_tap, const uint32_t channels, const uint32_t columns) {
  lanes sums[TILE_CHANNELS][TILE_COLUMNS];
  REPEATED for (uint32_t i = 0; i < channels; i++) {
    lanes start = splat(c->bias ? c->bias[channel + i] : 0.0f);
    REPEATED for (uint32_t j = 0; j < columns; j++) sums[i][j] = start;
  }
  int32_t above = (int32_t)(row * c->stride) - c->top;
  int32_t before = (int32_t)(column * c->stride) - c->left;
  uint32_t first_row = above < 0 ? (uint32_t)-above : 0;
  int32_t below = (int32_t)c->in_height - above;
  uint32_t end_row = below < (int32_t)c->kernel_height ? (below < 0 ? 0 : (uint32_t)below) : c->kernel_height;
  const size_t apart = (size_t)c->stride * LANES;
  for (uint32_t source = 0; source < c->in_channels; source++) {
    for (uint32_t tap_row = first_row; tap_row < end_row; tap_row++) {
      const float *in = c->in + (((ptrdiff_t)source * c->in_height + above + (int32_t)tap_row) * c->in_width + before +
                                 (int32_t)first_tap) * (ptrdiff_t)LANES;
      const float *weight =
          weights + ((size_t)(source * c->kernel_height + tap_row) * c->kernel_width + first_tap) * channels;
      for (uint32_t tap = first_tap; tap < end_tap; tap++) {
        lanes values[TILE_COLUMNS];
        REPEATED for (uint32_t j = 0; j < columns; j++) values[j] = CONSTANT_LANES(in + j * apart);
        REPEATED for (uint32_t i = 0; i < channels; i++) {
          lanes factor = splat(weight[i]);
          REPEATED for (uint32_t j = 0; j < columns; j++) sums[i][j] += factor * values[j];
        }
        in += LANES;
        weight += channels;
      }
    }
  }
  REPEATED for (uint32_t i = 0; i < channels; i++) {
    const size_t line = (size_t)(channel + i) * c->out_height + c->first_row + (size_t)row * c->step;
    float *out = c->out + (line * c->out_width + c->first_column + (size_t)column * c->step) * LANES;
    REPEATED for (uint32_t j = 0; j < columns; j++) {
      lanes sum = sums[i][j];
      if (c->relu) sum = positive(sum);
      float *place = out + (size_t)j * c->step * LANES;
      if (c->accumulate) sum += CONSTANT_LANES(place);
      LANES_OF(place) = sum;
    }
  }
}

/* One row of one tile. Columns near an edge, which see only some of the kernel's columns, go alone. */
INLINE void correlate_row(const correlation *c, const float *weights, uint32_t channel, uint32_t row,
                          const uint32_t channels) {
  uint32_t column = 0;
  while (column < c->columns) {
    int32_t before = (int32_t)(column * c->stride) - c->left;
    int32_t after = (int32_t)c->in_width - before;
    uint32_t first = before < 0 ? (uint32_t)-before : 0;
    uint32_t end = after < (int32_t)c->kernel_width ? (after < 0 ? 0 : (uint32_t)after) : c->kernel_width;
    if (first > 0 || end < c->kernel_width) {
      correlate_tile(c, weights, channel, row, column, first, end, channels, 1);
      column += 1;
      continue;
    }
    /* The last column from which the whole kernel fits. */
    uint32_t inner = ((uint32_t)((int32_t)c->in_width - (int32_t)c->kernel_width + c->left)) / c->stride + 1;
    uint32_t stop = inner < c->columns ? inner : c->columns;
    uint32_t left = stop - column;
#if TILE_COLUMNS >= 3
    while (left > 0) {
      if (left >= 3 && left != 4) {
        correlate_tile(c, weights, channel, row, column, 0, c->kernel_width, channels, 3);
        column += 3, left -= 3;
      } else if (left >= 2) {
        correlate_tile(c, weights, channel, row, column, 0, c->kernel_width, channels, 2);
        column += 2, left -= 2;
      } else {
        correlate_tile(c, weights, channel, row, column, 0, c->kernel_width, channels, 1);
        column += 1, left -= 1;
      }
    }
#else
    for (; left > 0; left--, column++)
      correlate_tile(c, weights, channel, row, column, 0, c->kernel_width, channels, 1);
#endif
  }
}

#define CORRELATE_ROWS(n)                                                                        \
  static __attribute__((noinline)) void correlate_rows_##n(const correlation *c, const float *weights, \
                                                           uint32_t channel, uint32_t begin, uint32_t end) { \
    for (uint32_t row = begin; row < end; row++) correlate_row(c, weights, channel, row, n);     \
  }
CORRELATE_ROWS(1)
CORRELATE_ROWS(2)
CORRELATE_ROWS(3)
CORRELATE_ROWS(4)
CORRELATE_ROWS(5)
CORRELATE_ROWS(6)
#if TILE_CHANNELS >= 8
CORRELATE_ROWS(7)
CORRELATE_ROWS(8)
#endif

static void correlate(const void *work, uint32_t begin, uint32_t end) {
  const correlation *c = work;
  static void (*const by_width[])(const correlation *, const float *, uint32_t, uint32_t, uint32_t) = {
      NULL,
      correlate_rows_1,
      correlate_rows_2,
      correlate_rows_3,
      correlate_rows_4,
      correlate_rows_5,
      correlate_rows_6,
#if TILE_CHANNELS >= 8
      correlate_rows_7,
      correlate_rows_8,
#endif
  };
  const size_t for_each = (size_t)c->in_channels * c->kernel_height * c->kernel_width;
  /* A few rows at a time, so that what a tile reads is still near when the next tile reads it. */
  for (uint32_t row = begin; row < end; row += CORRELATE_BAND) {
    uint32_t stop = row + CORRELATE_BAND < end ? row + CORRELATE_BAND : end;
    for (uint32_t channel = 0; channel < c->out_channels; channel += TILE_CHANNELS) {
      uint32_t left = c->out_channels - channel;
      by_width[left < TILE_CHANNELS ? left : TILE_CHANNELS](c, c->weights + channel * for_each, channel, row, stop);
    }
  }
}
