#define _GNU_SOURCE
#include "pictures.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <vips/vips.h>

/* What is used of libvips and GLib; looked up, not linked. */
#define USED(name) static __typeof__(&name) use_##name
USED(vips_init);
USED(vips_block_untrusted_set);
USED(vips_concurrency_set);
USED(vips_cache_set_max);
USED(vips_thumbnail_buffer);
USED(vips_colourspace);
USED(vips_flatten);
USED(vips_cast);
USED(vips_image_hasalpha);
USED(vips_image_get_width);
USED(vips_image_get_height);
USED(vips_image_get_bands);
USED(vips_image_write_to_memory);
USED(vips_error_buffer);
USED(vips_error_clear);
USED(g_log_set_handler);
USED(g_object_unref);
USED(g_free);
#undef USED

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char why_not[PICTURES_ERROR_SIZE];

static int32_t fail(pictures_error *error, const char *words) {
  snprintf(error->text, sizeof error->text, "%s", words);
  return -1;
}

/* The node's own output is for the node. */
static void say_nothing(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {
  (void)domain, (void)level, (void)message, (void)data;
}

static int find(void *library) {
#define FIND(name) ((use_##name = (__typeof__(&name))dlsym(library, #name)) != NULL)
  return FIND(vips_init) && FIND(vips_block_untrusted_set) && FIND(vips_concurrency_set) && FIND(vips_cache_set_max) &&
         FIND(vips_thumbnail_buffer) && FIND(vips_colourspace) && FIND(vips_flatten) && FIND(vips_cast) &&
         FIND(vips_image_hasalpha) && FIND(vips_image_get_width) && FIND(vips_image_get_height) &&
         FIND(vips_image_get_bands) && FIND(vips_image_write_to_memory) && FIND(vips_error_buffer) &&
         FIND(vips_error_clear) && FIND(g_log_set_handler) && FIND(g_object_unref) && FIND(g_free);
#undef FIND
}

static void begin(void) {
  /* GLib's types cannot be taken back, so it stays. */
  void *library = dlopen("libvips.so.42", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library || !find(library) || use_vips_init("nodehost") != 0) {
    snprintf(why_not, sizeof why_not, "libvips 8.13 or later, which reads pictures, is not there; install libvips42");
    return;
  }
  use_vips_block_untrusted_set(TRUE);
  /* The pool has the threads. Nothing is used twice, so nothing is kept. */
  use_vips_concurrency_set(1);
  use_vips_cache_set_max(0);
  use_g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO | G_LOG_LEVEL_MESSAGE, say_nothing, NULL);
}

static int32_t fail_as_told(pictures_error *error) {
  const char *words = use_vips_error_buffer();
  size_t length = strcspn(words, "\n");
  snprintf(error->text, sizeof error->text, "%.*s", (int)length, *words ? words : "it cannot be decoded");
  use_vips_error_clear();
  return -1;
}

/* One step after the other takes the place of the image before it. */
static int next(VipsImage **image, VipsImage **made, int failed) {
  use_g_object_unref(*image);
  *image = failed ? NULL : *made;
  return !failed;
}

static VipsImage *prepared(const void *start, uint64_t count, uint32_t width, uint32_t height, uint32_t channels) {
  VipsImage *image = NULL, *made = NULL;
  if (use_vips_thumbnail_buffer((void *)start, count, &image, (int)width, "height", (int)height, "crop",
                                VIPS_INTERESTING_CENTRE, NULL) != 0)
    return NULL;
  VipsInterpretation space = channels == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
  if (!next(&image, &made, use_vips_colourspace(image, &made, space, NULL))) return NULL;
  return image;
}

static int32_t copy_planes(VipsImage *image, uint32_t width, uint32_t height, uint32_t channels, uint8_t *room,
                           pictures_error *error) {
  if (use_vips_image_get_width(image) != (int)width || use_vips_image_get_height(image) != (int)height ||
      use_vips_image_get_bands(image) != (int)channels)
    return fail(error, "it cannot be made the size that was asked for");
  size_t size = 0;
  uint8_t *pixels = use_vips_image_write_to_memory(image, &size);
  const size_t plane = (size_t)width * height;
  if (!pixels || size != plane * channels) {
    use_g_free(pixels);
    return fail_as_told(error);
  }
  for (uint32_t channel = 0; channel < channels; channel++)
    for (size_t place = 0; place < plane; place++) room[channel * plane + place] = pixels[place * channels + channel];
  use_g_free(pixels);
  return 0;
}

int32_t pictures_read(const void *start, uint64_t count, uint32_t width, uint32_t height, uint32_t channels,
                      uint8_t *room, pictures_error *error) {
  pthread_once(&once, begin);
  if (*why_not) return fail(error, why_not);
  VipsImage *image = prepared(start, count, width, height, channels), *made = NULL;
  if (!image) return fail_as_told(error);
  if (use_vips_image_hasalpha(image) && !next(&image, &made, use_vips_flatten(image, &made, NULL)))
    return fail_as_told(error);
  if (!next(&image, &made, use_vips_cast(image, &made, VIPS_FORMAT_UCHAR, NULL))) return fail_as_told(error);
  int32_t result = copy_planes(image, width, height, channels, room, error);
  use_g_object_unref(image);
  return result;
}

static int is_folder(DIR *folder, const struct dirent *entry) {
  if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK) return entry->d_type == DT_DIR;
  struct stat facts;
  return fstatat(dirfd(folder), entry->d_name, &facts, 0) == 0 && S_ISDIR(facts.st_mode);
}

int32_t pictures_list(const char *path, void *context, void (*each)(void *, const char *, int32_t),
                      pictures_error *error) {
  DIR *folder = opendir(path);
  if (!folder) return fail(error, strerror(errno));
  struct dirent *entry;
  while (errno = 0, (entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') each(context, entry->d_name, is_folder(folder, entry));
  int failed = errno;
  closedir(folder);
  return failed ? fail(error, strerror(failed)) : 0;
}
