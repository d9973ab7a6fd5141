#include "fake_host.h"

#define SECOND INT64_C(1000000000)
#define CONFIG "{\"what\":\"cups\",\"report_seconds\":10}"

static int failures = 0;

#define EXPECT(condition)                                                                                            \
  do {                                                                                                               \
    if (condition) break;                                                                                            \
    fprintf(stderr, "%s:%d: error: not so: %s\n", __FILE__, __LINE__, #condition);                                   \
    failures++;                                                                                                      \
  } while (0)

/* The sum, or what is no sum if the role refused. */
static int64_t add(fake_host *fake, int64_t amount) {
  const nh_call call = {&fake->answer, 1, 0, 0, 0};
  ((void (*)(void *, const nh_call *, int64_t))fake_method(fake, "add"))(fake->role, &call, amount);
  return fake->status == NH_OK ? (int64_t)fake->value.slot.lo : -1;
}

static nh_status load(fake_host *fake, uint32_t version) {
  const nh_bytes state = {fake->state, fake->state_len};
  return fake->plugin->load(fake->role, version, state, &fake->error);
}

static void counts_and_reports(void) {
  fake_host *fake = fake_create(CONFIG);
  EXPECT(fake_start(fake) == NH_OK);
  EXPECT(add(fake, 2) == 2);
  EXPECT(add(fake, 40) == 42);
  fake_advance(fake, 10 * SECOND);
  EXPECT(strcmp(fake->log, "42 cups") == 0);
  fake_destroy(fake);
}

static void refuses_to_count_down(void) {
  fake_host *fake = fake_create(CONFIG);
  EXPECT(fake_start(fake) == NH_OK);
  EXPECT(add(fake, -1) == -1 && fake->status == NH_INVALID_ARGUMENT);
  fake_destroy(fake);
}

static void keeps_its_sum_over_a_swap(void) {
  fake_host *old = fake_create(CONFIG), *new = fake_create(CONFIG);
  const nh_sink sink = {sizeof sink, 1, new, fake_write};
  EXPECT(fake_start(old) == NH_OK && add(old, 7) == 7);
  EXPECT(old->plugin->save(old->role, &sink, &old->error) == NH_OK);
  EXPECT(load(new, old->plugin->state_version) == NH_OK);
  EXPECT(fake_start(new) == NH_OK && add(new, 1) == 8);
  EXPECT(load(new, 99) == NH_INVALID_ARGUMENT);
  fake_destroy(old);
  fake_destroy(new);
}

int main(void) {
  counts_and_reports();
  refuses_to_count_down();
  keeps_its_sum_over_a_swap();
  if (!failures) puts("3 tests passed");
  return failures != 0;
}
