/* Pooling. A map is one channel of one block; windows may overlap, and never reach over an edge. */

static void max_pool(const void *work, uint32_t begin, uint32_t end) {
  const pooling *p = work;
  const size_t in_map = (size_t)p->in_height * p->in_width * LANES, map = (size_t)p->out_height * p->out_width;
  for (uint32_t at = begin; at < end; at++) {
    const float *in = p->in + at * in_map;
    float *out = p->out + at * map * LANES;
    uint8_t *chosen = p->chosen + at * map * LANES;
    for (uint32_t row = 0; row < p->out_height; row++) {
      for (uint32_t column = 0; column < p->out_width; column++) {
        const float *corner = in + ((size_t)row * p->in_width + column) * p->stride * LANES;
        lanes most = CONSTANT_LANES(corner);
        lane_bits place = {};
        int32_t number = 0;
        for (uint32_t y = 0; y < p->window_height; y++) {
          const float *line = corner + (size_t)y * p->in_width * LANES;
          for (uint32_t x = 0; x < p->window_width; x++, number++) {
            lanes value = CONSTANT_LANES(line + x * LANES);
            lane_bits more = value > most;
            most = choose(more, value, most);
            place = (more & number) | (~more & place);
          }
        }
        /* Nothing flows back through what ReLU cut off. */
        if (p->relu) {
          place = place | (most <= 0.0f);
          most = positive(most);
        }
        LANES_OF(out) = most;
        *(lane_bytes *)chosen = __builtin_convertvector(place, lane_bytes);
        out += LANES;
        chosen += LANES;
      }
    }
  }
}

static void max_pool_backward(const void *work, uint32_t begin, uint32_t end) {
  const pooling *p = work;
  const size_t in_map = (size_t)p->in_height * p->in_width * LANES, map = (size_t)p->out_height * p->out_width;
  const uint32_t apart = p->stride == p->window_height && p->stride == p->window_width &&
                         p->in_height == p->out_height * p->stride && p->in_width == p->out_width * p->stride;
  for (uint32_t at = begin; at < end; at++) {
    const float *slope = p->out_gradient + at * map * LANES;
    const uint8_t *chosen = p->chosen + at * map * LANES;
    float *gradient = p->in_gradient + at * in_map;
    /* Windows that cover the map once write each place; else they add. */
    const uint32_t adds = p->accumulate || !apart;
    if (!apart && !p->accumulate) __builtin_memset(gradient, 0, in_map * sizeof(float));
    for (uint32_t row = 0; row < p->out_height; row++) {
      for (uint32_t column = 0; column < p->out_width; column++) {
        float *corner = gradient + ((size_t)row * p->in_width + column) * p->stride * LANES;
        lane_bits place = __builtin_convertvector(*(const lane_bytes *)chosen, lane_bits);
        lanes value = CONSTANT_LANES(slope);
        int32_t number = 0;
        for (uint32_t y = 0; y < p->window_height; y++) {
          float *line = corner + (size_t)y * p->in_width * LANES;
          for (uint32_t x = 0; x < p->window_width; x++, number++) {
            lanes part = choose(place == number, value, (lanes){});
            LANES_OF(line + x * LANES) = adds ? CONSTANT_LANES(line + x * LANES) + part : part;
          }
        }
        slope += LANES;
        chosen += LANES;
      }
    }
  }
}

static void average_pool(const void *work, uint32_t begin, uint32_t end) {
  const pooling *p = work;
  const size_t in_map = (size_t)p->in_height * p->in_width * LANES, map = (size_t)p->out_height * p->out_width * LANES;
  const float part = 1.0f / (float)(p->window_height * p->window_width);
  for (uint32_t at = begin; at < end; at++) {
    float *out = p->out + at * map;
    for (uint32_t row = 0; row < p->out_height; row++) {
      for (uint32_t column = 0; column < p->out_width; column++, out += LANES) {
        const float *corner = p->in + at * in_map + ((size_t)row * p->in_width + column) * p->stride * LANES;
        lanes sum = {};
        for (uint32_t y = 0; y < p->window_height; y++)
          for (uint32_t x = 0; x < p->window_width; x++)
            sum += CONSTANT_LANES(corner + ((size_t)y * p->in_width + x) * LANES);
        LANES_OF(out) = sum * part;
      }
    }
  }
}

static void average_pool_backward(const void *work, uint32_t begin, uint32_t end) {
  const pooling *p = work;
  const size_t in_map = (size_t)p->in_height * p->in_width * LANES, map = (size_t)p->out_height * p->out_width * LANES;
  const float part = 1.0f / (float)(p->window_height * p->window_width);
  for (uint32_t at = begin; at < end; at++) {
    const float *slope = p->out_gradient + at * map;
    float *gradient = p->in_gradient + at * in_map;
    if (!p->accumulate) __builtin_memset(gradient, 0, in_map * sizeof(float));
    for (uint32_t row = 0; row < p->out_height; row++) {
      for (uint32_t column = 0; column < p->out_width; column++, slope += LANES) {
        float *corner = gradient + ((size_t)row * p->in_width + column) * p->stride * LANES;
        lanes value = CONSTANT_LANES(slope) * part;
        for (uint32_t y = 0; y < p->window_height; y++)
          for (uint32_t x = 0; x < p->window_width; x++)
            LANES_OF(corner + ((size_t)y * p->in_width + x) * LANES) += value;
      }
    }
  }
}
