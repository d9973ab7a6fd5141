#include "images_codec.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int is_ready;

/* What is wrong with an image is told to whoever sent it; the node's own output is for the node. */
static void say_nothing(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {
  (void)domain, (void)level, (void)message, (void)data;
}

static void begin(void) {
  if (VIPS_INIT("nodehost") != 0) return;
  /* Only loaders that were fuzzed; the others would let a file choose which library reads it. */
  vips_block_untrusted_set(TRUE);
  /* The pool has the threads. Nothing is used twice, so nothing is kept. */
  vips_concurrency_set(1);
  vips_cache_set_max(0);
  g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO | G_LOG_LEVEL_MESSAGE, say_nothing, NULL);
  is_ready = 1;
}

static int32_t fail(images_facts *facts) {
  const char *words = vips_error_buffer();
  size_t length = strcspn(words, "\n");
  snprintf(facts->error, sizeof facts->error, "%.*s", (int)length, *words ? words : "it cannot be decoded");
  vips_error_clear();
  return 1;
}

static int32_t fail_with(images_facts *facts, const char *words) {
  snprintf(facts->error, sizeof facts->error, "%s", words);
  return 1;
}

/* From top to bottom, so that it is never whole in memory, and without guesses at what is missing. */
#define STRICTLY "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR

/* `pages` is -1 for all frames. */
static VipsImage *load(uint32_t kind, const void *start, uint64_t count, int pages) {
  VipsImage *image = NULL;
  void *bytes = (void *)start;
  int failed = 1;
  switch (kind) {
  case IMAGES_JPEG: failed = vips_jpegload_buffer(bytes, count, &image, STRICTLY, NULL); break;
  case IMAGES_PNG: failed = vips_pngload_buffer(bytes, count, &image, STRICTLY, NULL); break;
  case IMAGES_GIF: failed = vips_gifload_buffer(bytes, count, &image, "n", pages, STRICTLY, NULL); break;
  case IMAGES_WEBP: failed = vips_webpload_buffer(bytes, count, &image, "n", pages, STRICTLY, NULL); break;
  default: break;
  }
  return failed ? NULL : image;
}

/* Decodes every line, in this very thread. libvips's own sinks start threads, and look at each pixel. */
static int decode(VipsImage *image) {
  enum { LINES = 16 };
  int width = vips_image_get_width(image), height = vips_image_get_height(image);
  VipsRegion *region = vips_region_new(image);
  int failed = 0;
  for (int top = 0; top < height && !failed; top += LINES) {
    VipsRect lines = {.left = 0, .top = top, .width = width, .height = VIPS_MIN(LINES, height - top)};
    failed = vips_region_prepare(region, &lines);
  }
  g_object_unref(region);
  return failed;
}

int32_t images_check(uint32_t kind, const void *start, uint64_t count, uint32_t frame_limit, uint64_t pixel_limit,
                     images_facts *facts) {
  pthread_once(&once, begin);
  memset(facts, 0, sizeof *facts);
  if (!is_ready) return fail_with(facts, "libvips does not start");
  /* One frame first: how many there are is known before any is decoded. */
  VipsImage *image = load(kind, start, count, 1);
  if (!image) return fail(facts);
  int frames = vips_image_get_n_pages(image);
  facts->width = (uint32_t)vips_image_get_width(image);
  facts->height = (uint32_t)vips_image_get_height(image);
  facts->frames = (uint32_t)frames;
  if (frames < 1 || (uint32_t)frames > frame_limit) {
    g_object_unref(image);
    snprintf(facts->error, sizeof facts->error, "it has %d frames, and %u are allowed", frames, frame_limit);
    return 1;
  }
  /* All frames together stand one below the other. */
  if ((uint64_t)facts->width * facts->height * (uint64_t)frames > pixel_limit) {
    g_object_unref(image);
    return fail_with(facts, "its frames have more pixels together than are allowed");
  }
  if (frames > 1) {
    g_object_unref(image);
    image = load(kind, start, count, -1);
    if (!image) return fail(facts);
  }
  int failed = decode(image);
  g_object_unref(image);
  return failed ? fail(facts) : 0;
}

int32_t images_thumbnail(uint32_t kind, const void *start, uint64_t count, uint32_t width, images_bytes *result,
                         images_facts *facts) {
  pthread_once(&once, begin);
  memset(facts, 0, sizeof *facts);
  *result = (images_bytes){0};
  if (!is_ready) return fail_with(facts, "libvips does not start");
  VipsImage *image = NULL;
  int failed = vips_thumbnail_buffer(
      (void *)start, count, &image, (int)width, "height", 10 * (int)width, "size", VIPS_SIZE_DOWN, NULL);
  if (failed) return fail(facts);
  facts->width = (uint32_t)vips_image_get_width(image);
  facts->height = (uint32_t)vips_image_get_height(image);
  void *bytes = NULL;
  size_t size = 0;
  failed = kind == IMAGES_JPEG   ? vips_jpegsave_buffer(image, &bytes, &size, "Q", 82, "strip", TRUE, NULL)
           : kind == IMAGES_WEBP ? vips_webpsave_buffer(image, &bytes, &size, "Q", 80, "strip", TRUE, NULL)
                                 : vips_pngsave_buffer(image, &bytes, &size, "strip", TRUE, NULL);
  g_object_unref(image);
  if (failed) return fail(facts);
  *result = (images_bytes){.start = bytes, .count = size};
  return 0;
}

void images_release(images_bytes bytes) { g_free((void *)bytes.start); }

static int32_t digest(const EVP_MD *kind, const void *start, uint64_t count, uint8_t *result) {
  return EVP_Digest(start, count, result, NULL, kind, NULL) == 1 ? 0 : 1;
}

int32_t images_sha1(const void *start, uint64_t count, uint8_t *result) {
  return digest(EVP_sha1(), start, count, result);
}

int32_t images_sha256(const void *start, uint64_t count, uint8_t *result) {
  return digest(EVP_sha256(), start, count, result);
}
