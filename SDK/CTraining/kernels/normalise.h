/* Batch and layer normalisation. */

/* Mean and variance of a channel over the samples that are there; two passes, since one loses digits. */
INLINE void channel_statistics(const batch_norm *n, uint32_t channel, double *mean, double *variance) {
  const size_t map = (size_t)n->area * LANES;
  const double count = (double)n->samples * n->area;
  double total = 0;
  for (uint32_t block = 0; block < n->blocks; block++) {
    const float *in = n->in + ((size_t)block * n->channels + channel) * map;
    lanes sum = {};
    for (uint32_t i = 0; i < n->area; i++) sum += CONSTANT_LANES(in + i * LANES);
    total += sum_of(sum * ones_below(filled(n->samples, block)));
  }
  *mean = total / count;
  total = 0;
  for (uint32_t block = 0; block < n->blocks; block++) {
    const float *in = n->in + ((size_t)block * n->channels + channel) * map;
    lanes sum = {}, middle = splat((float)*mean);
    for (uint32_t i = 0; i < n->area; i++) {
      lanes off = CONSTANT_LANES(in + i * LANES) - middle;
      sum += off * off;
    }
    total += sum_of(sum * ones_below(filled(n->samples, block)));
  }
  *variance = total / count;
}

INLINE void normalise_channel(const batch_norm *n, uint32_t channel, float mean, float inverse) {
  const size_t map = (size_t)n->area * LANES;
  lanes factor = splat(n->scale[channel] * inverse);
  lanes shift = splat(n->shift[channel] - mean * n->scale[channel] * inverse);
  for (uint32_t block = 0; block < n->blocks; block++) {
    size_t at = ((size_t)block * n->channels + channel) * map;
    for (uint32_t i = 0; i < n->area; i++) {
      lanes value = CONSTANT_LANES(n->in + at + i * LANES) * factor + shift;
      LANES_OF(n->out + at + i * LANES) = n->relu ? positive(value) : value;
    }
  }
}

static void batch_norm_forward(const void *work, uint32_t begin, uint32_t end) {
  const batch_norm *n = work;
  for (uint32_t channel = begin; channel < end; channel++) {
    double mean, variance;
    channel_statistics(n, channel, &mean, &variance);
    float inverse = (float)(1.0 / __builtin_sqrt(variance + n->epsilon));
    n->mean[channel] = (float)mean;
    n->inverse_deviation[channel] = inverse;
    /* What is kept for evaluation is the estimate without bias, as everybody does it. */
    double count = (double)n->samples * n->area;
    double unbiased = count > 1 ? variance * count / (count - 1) : variance;
    n->running_mean[channel] += n->momentum * ((float)mean - n->running_mean[channel]);
    n->running_variance[channel] += n->momentum * ((float)unbiased - n->running_variance[channel]);
    normalise_channel(n, channel, (float)mean, inverse);
  }
}

static void batch_norm_evaluate(const void *work, uint32_t begin, uint32_t end) {
  const batch_norm *n = work;
  for (uint32_t channel = begin; channel < end; channel++)
    normalise_channel(n, channel, n->running_mean[channel],
                      (float)(1.0 / __builtin_sqrt((double)n->running_variance[channel] + n->epsilon)));
}

static void batch_norm_backward(const void *work, uint32_t begin, uint32_t end) {
  const batch_norm *n = work;
  const size_t map = (size_t)n->area * LANES;
  for (uint32_t channel = begin; channel < end; channel++) {
    lanes mean = splat(n->mean[channel]), inverse = splat(n->inverse_deviation[channel]);
    double slopes = 0, products = 0;
    for (uint32_t block = 0; block < n->blocks; block++) {
      size_t at = ((size_t)block * n->channels + channel) * map;
      lanes slope_sum = {}, product_sum = {};
      for (uint32_t i = 0; i < n->area; i++) {
        lanes slope = CONSTANT_LANES(n->out_gradient + at + i * LANES);
        if (n->relu) slope = choose(CONSTANT_LANES(n->out + at + i * LANES) > 0.0f, slope, (lanes){});
        slope_sum += slope;
        product_sum += slope * ((CONSTANT_LANES(n->in + at + i * LANES) - mean) * inverse);
      }
      /* Lanes without a sample have no gradient, so they add nothing. */
      slopes += sum_of(slope_sum);
      products += sum_of(product_sum);
    }
    n->shift_gradient[channel] = (float)slopes;
    n->scale_gradient[channel] = (float)products;
    if (!n->in_gradient) continue;
    const double count = (double)n->samples * n->area;
    lanes slope_mean = splat((float)(slopes / count)), product_mean = splat((float)(products / count));
    lanes factor = inverse * n->scale[channel];
    for (uint32_t block = 0; block < n->blocks; block++) {
      size_t at = ((size_t)block * n->channels + channel) * map;
      lanes there = factor * ones_below(filled(n->samples, block));
      for (uint32_t i = 0; i < n->area; i++) {
        lanes slope = CONSTANT_LANES(n->out_gradient + at + i * LANES);
        if (n->relu) slope = choose(CONSTANT_LANES(n->out + at + i * LANES) > 0.0f, slope, (lanes){});
        lanes off = (CONSTANT_LANES(n->in + at + i * LANES) - mean) * inverse;
        lanes gradient = there * (slope - slope_mean - off * product_mean);
        float *place = n->in_gradient + at + i * LANES;
        LANES_OF(place) = n->accumulate ? CONSTANT_LANES(place) + gradient : gradient;
      }
    }
  }
}

/* Each lane is a sample, so the statistics of sixteen samples come at once. */
static void layer_norm_forward(const void *work, uint32_t begin, uint32_t end) {
  const layer_norm *n = work;
  const float part = 1.0f / (float)n->features;
  for (uint32_t block = begin; block < end; block++) {
    size_t at = (size_t)block * n->features * LANES;
    lanes sum = {}, squares = {}, mean, inverse;
    for (uint32_t i = 0; i < n->features; i++) sum += CONSTANT_LANES(n->in + at + i * LANES);
    mean = sum * part;
    for (uint32_t i = 0; i < n->features; i++) {
      lanes off = CONSTANT_LANES(n->in + at + i * LANES) - mean;
      squares += off * off;
    }
    inverse = 1.0f / __builtin_elementwise_sqrt(squares * part + n->epsilon);
    LANES_OF(n->statistics + (size_t)block * 2 * LANES) = mean;
    LANES_OF(n->statistics + ((size_t)block * 2 + 1) * LANES) = inverse;
    for (uint32_t i = 0; i < n->features; i++)
      LANES_OF(n->out + at + i * LANES) =
          (CONSTANT_LANES(n->in + at + i * LANES) - mean) * inverse * n->scale[i] + n->shift[i];
  }
}

static void layer_norm_backward(const void *work, uint32_t begin, uint32_t end) {
  const layer_norm *n = work;
  const float part = 1.0f / (float)n->features;
  for (uint32_t block = begin; block < end; block++) {
    size_t at = (size_t)block * n->features * LANES;
    lanes mean = CONSTANT_LANES(n->statistics + (size_t)block * 2 * LANES);
    lanes inverse = CONSTANT_LANES(n->statistics + ((size_t)block * 2 + 1) * LANES);
    lanes slopes = {}, products = {};
    for (uint32_t i = 0; i < n->features; i++) {
      lanes slope = CONSTANT_LANES(n->out_gradient + at + i * LANES) * n->scale[i];
      slopes += slope;
      products += slope * (CONSTANT_LANES(n->in + at + i * LANES) - mean) * inverse;
    }
    slopes *= part;
    products *= part;
    for (uint32_t i = 0; i < n->features; i++) {
      lanes slope = CONSTANT_LANES(n->out_gradient + at + i * LANES) * n->scale[i];
      lanes off = (CONSTANT_LANES(n->in + at + i * LANES) - mean) * inverse;
      lanes gradient = inverse * (slope - slopes - off * products);
      float *place = n->in_gradient + at + i * LANES;
      LANES_OF(place) = n->accumulate ? CONSTANT_LANES(place) + gradient : gradient;
    }
  }
}

static void layer_norm_weights(const void *work, uint32_t begin, uint32_t end) {
  const layer_norm *n = work;
  for (uint32_t i = begin; i < end; i++) {
    lanes slopes = {}, products = {};
    for (uint32_t block = 0; block < n->blocks; block++) {
      size_t at = ((size_t)block * n->features + i) * LANES;
      lanes slope = CONSTANT_LANES(n->out_gradient + at);
      lanes mean = CONSTANT_LANES(n->statistics + (size_t)block * 2 * LANES);
      slopes += slope;
      products += slope * (CONSTANT_LANES(n->in + at) - mean) *
                  CONSTANT_LANES(n->statistics + ((size_t)block * 2 + 1) * LANES);
    }
    n->shift_gradient[i] = sum_of(slopes);
    n->scale_gradient[i] = sum_of(products);
  }
}
