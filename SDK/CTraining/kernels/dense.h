/* Dense layers. Weights are read where they lie: [output][input]. */

/* `blocks` of samples from `block`; the weights of output o and input i are at o * across + i * along. */
INLINE void dense_tile(const float *in, size_t in_pitch, const float *weights, size_t across, size_t along,
                       uint32_t depth, const float *bias, uint32_t relu, uint32_t accumulate, float *out,
                       size_t out_pitch,
                       const uint32_t rows, const uint32_t blocks) {
  lanes sums[DENSE_ROWS][DENSE_BLOCKS];
  REPEATED for (uint32_t i = 0; i < rows; i++) {
    lanes start = splat(bias ? bias[i] : 0.0f);
    REPEATED for (uint32_t j = 0; j < blocks; j++) sums[i][j] = start;
  }
  for (uint32_t k = 0; k < depth; k++) {
    lanes values[DENSE_BLOCKS];
    REPEATED for (uint32_t j = 0; j < blocks; j++) values[j] = CONSTANT_LANES(in + j * in_pitch + (size_t)k * LANES);
    REPEATED for (uint32_t i = 0; i < rows; i++) {
      lanes factor = splat(weights[i * across + k * along]);
      REPEATED for (uint32_t j = 0; j < blocks; j++) sums[i][j] += factor * values[j];
    }
  }
  REPEATED for (uint32_t i = 0; i < rows; i++) {
    REPEATED for (uint32_t j = 0; j < blocks; j++) {
      lanes sum = relu ? positive(sums[i][j]) : sums[i][j];
      float *place = out + j * out_pitch + i * LANES;
      LANES_OF(place) = accumulate ? sum + CONSTANT_LANES(place) : sum;
    }
  }
}

/* All blocks of `rows` outputs; `rows` is a constant where it is called. */
INLINE void dense_rows(const float *in, size_t in_pitch, const float *weights, size_t across, size_t along,
                       uint32_t depth, const float *bias, uint32_t relu, uint32_t accumulate, float *out,
                       size_t out_pitch,
                       uint32_t blocks, const uint32_t rows) {
  uint32_t block = 0;
  for (; block + DENSE_BLOCKS <= blocks; block += DENSE_BLOCKS)
    dense_tile(in + block * in_pitch, in_pitch, weights, across, along, depth, bias, relu, accumulate,
               out + block * out_pitch, out_pitch, rows, DENSE_BLOCKS);
#if DENSE_BLOCKS > 1
  for (; block < blocks; block++)
    dense_tile(in + block * in_pitch, in_pitch, weights, across, along, depth, bias, relu, accumulate,
               out + block * out_pitch, out_pitch, rows, 1);
#endif
}

static void dense_forward_rows(const void *work, uint32_t begin, uint32_t end) {
  const dense_forward *d = work;
  const size_t in_pitch = (size_t)d->ins * LANES, out_pitch = (size_t)d->outs * LANES;
  uint32_t row = begin;
  for (; row + DENSE_ROWS <= end; row += DENSE_ROWS)
    dense_rows(d->in, in_pitch, d->weights + (size_t)row * d->ins, d->ins, 1, d->ins, d->bias ? d->bias + row : NULL,
               d->relu, 0, d->out + row * LANES, out_pitch, d->blocks, DENSE_ROWS);
  for (; row + 2 <= end; row += 2)
    dense_rows(d->in, in_pitch, d->weights + (size_t)row * d->ins, d->ins, 1, d->ins, d->bias ? d->bias + row : NULL,
               d->relu, 0, d->out + row * LANES, out_pitch, d->blocks, 2);
  for (; row < end; row++)
    dense_rows(d->in, in_pitch, d->weights + (size_t)row * d->ins, d->ins, 1, d->ins, d->bias ? d->bias + row : NULL,
               d->relu, 0, d->out + row * LANES, out_pitch, d->blocks, 1);
}

static void dense_backward_inputs(const void *work, uint32_t begin, uint32_t end) {
  const dense_backward *d = work;
  const size_t in_pitch = (size_t)d->ins * LANES, out_pitch = (size_t)d->outs * LANES;
  uint32_t row = begin;
  for (; row + DENSE_ROWS <= end; row += DENSE_ROWS)
    dense_rows(d->out_gradient, out_pitch, d->weights + row, 1, d->ins, d->outs, NULL, 0, d->accumulate,
               d->in_gradient + row * LANES, in_pitch, d->blocks, DENSE_ROWS);
  for (; row < end; row++)
    dense_rows(d->out_gradient, out_pitch, d->weights + row, 1, d->ins, d->outs, NULL, 0, d->accumulate,
               d->in_gradient + row * LANES, in_pitch, d->blocks, 1);
}

/* `rows` outputs by `vectors` vectors of inputs, over all samples. */
INLINE void dense_weight_tile(const dense_weights *d, uint32_t row, uint32_t column, float *strip, size_t pitch,
                              const uint32_t rows, const uint32_t vectors) {
  lanes sums[DENSE_ROWS][DENSE_VECTORS];
  REPEATED for (uint32_t i = 0; i < rows; i++)
    REPEATED for (uint32_t j = 0; j < vectors; j++) sums[i][j] = (lanes){};
  for (uint32_t sample = 0; sample < d->samples; sample++) {
    const float *in = d->rows[sample] + column;
    const float *slopes = d->out_gradient + ((size_t)(sample / LANES) * d->outs + row) * LANES + sample % LANES;
    lanes values[DENSE_VECTORS];
    REPEATED for (uint32_t j = 0; j < vectors; j++) values[j] = CONSTANT_LOOSE(in + j * LANES);
    REPEATED for (uint32_t i = 0; i < rows; i++) {
      lanes factor = splat(slopes[i * LANES]);
      REPEATED for (uint32_t j = 0; j < vectors; j++) sums[i][j] += factor * values[j];
    }
  }
  REPEATED for (uint32_t i = 0; i < rows; i++)
    REPEATED for (uint32_t j = 0; j < vectors; j++) LANES_OF(strip + i * pitch + column + j * LANES) = sums[i][j];
}

INLINE void dense_weight_rows(const dense_weights *d, uint32_t row, float *strip, const uint32_t rows) {
  const uint32_t vectors = blocks_of(d->ins);
  uint32_t vector = 0;
  for (; vector + DENSE_VECTORS <= vectors; vector += DENSE_VECTORS)
    dense_weight_tile(d, row, vector * LANES, strip, (size_t)vectors * LANES, rows, DENSE_VECTORS);
#if DENSE_VECTORS > 1
  for (; vector < vectors; vector++)
    dense_weight_tile(d, row, vector * LANES, strip, (size_t)vectors * LANES, rows, 1);
#endif
}

static void dense_weight_strip(const dense_weights *d, uint32_t begin, uint32_t end, float *strip) {
  const size_t pitch = (size_t)blocks_of(d->ins) * LANES;
  uint32_t row = begin;
  for (; row + DENSE_ROWS <= end; row += DENSE_ROWS)
    dense_weight_rows(d, row, strip + (row - begin) * pitch, DENSE_ROWS);
  for (; row < end; row++) dense_weight_rows(d, row, strip + (row - begin) * pitch, 1);
}
