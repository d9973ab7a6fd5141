/* Between samples one after the other and samples side by side. */

/* Sixteen rows of sixteen numbers, turned in four rounds; in round k, rows 2^k apart exchange halves. */
INLINE void turn(lanes *m) {
  lanes t[16];
#define PAIR(a, b, from, to, low, high)             \
  to[a] = __builtin_shufflevector(from[a], from[b], low); \
  to[b] = __builtin_shufflevector(from[a], from[b], high);
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
  REPEATED for (int i = 0; i < 16; i += 2) { PAIR(i, i + 1, m, t, LOW1, HIGH1) }
  REPEATED for (int i = 0; i < 16; i += 4)
    REPEATED for (int j = i; j < i + 2; j++) { PAIR(j, j + 2, t, m, LOW2, HIGH2) }
  REPEATED for (int i = 0; i < 16; i += 8)
    REPEATED for (int j = i; j < i + 4; j++) { PAIR(j, j + 4, m, t, LOW4, HIGH4) }
  REPEATED for (int j = 0; j < 8; j++) { PAIR(j, j + 8, t, m, LOW8, HIGH8) }
#undef PAIR
}

static void to_lanes(const float *const *rows, uint32_t count, uint32_t features, float *out) {
  uint32_t column = 0;
  for (; column + LANES <= features; column += LANES) {
    lanes square[LANES];
    for (uint32_t i = 0; i < LANES; i++) square[i] = i < count ? (lanes)CONSTANT_LOOSE(rows[i] + column) : (lanes){};
    turn(square);
    for (uint32_t i = 0; i < LANES; i++) LANES_OF(out + (size_t)(column + i) * LANES) = square[i];
  }
  for (; column < features; column++)
    for (uint32_t i = 0; i < LANES; i++) out[(size_t)column * LANES + i] = i < count ? rows[i][column] : 0;
}

/* Rows are written up to a whole number of vectors, with zeros. */
static void to_rows(const float *in, uint32_t features, float *const *rows) {
  for (uint32_t column = 0; column < features; column += LANES) {
    lanes square[LANES];
    for (uint32_t i = 0; i < LANES; i++)
      square[i] = column + i < features ? CONSTANT_LANES(in + (size_t)(column + i) * LANES) : (lanes){};
    turn(square);
    for (uint32_t i = 0; i < LANES; i++) LOOSE_LANES(rows[i] + column) = square[i];
  }
}
