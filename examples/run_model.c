/* Runs the method "forward" of a program on raw float32 files, and writes its outputs likewise.
 *
 *   run_model MODEL.pte INPUT.bin…
 *
 * An input file holds the elements alone, row-major; out0.bin, out1.bin … are written the same way.
 */
#include <pte/pte.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(pte_error* error) {
  fprintf(stderr, "error: %s\n", pte_error_message(error));
  if (pte_error_hint(error)[0] != '\0') fprintf(stderr, "hint: %s\n", pte_error_hint(error));
  pte_error_free(error);
  return 1;
}

/* The first `size` bytes of a file, or null. */
static void* read_file(const char* path, size_t size) {
  FILE* file = fopen(path, "rb");
  void* bytes = malloc(size > 0 ? size : 1);
  if (file == NULL || bytes == NULL || fread(bytes, 1, size, file) != size) {
    fprintf(stderr, "error: %s: cannot read %lu bytes\n", path, (unsigned long)size);
    free(bytes);
    bytes = NULL;
  }
  if (file != NULL) fclose(file);
  return bytes;
}

static size_t size_of(pte_dtype dtype, const int64_t* sizes, uint32_t rank) {
  size_t bytes = pte_dtype_size(dtype);
  uint32_t i;
  for (i = 0; i < rank; ++i) bytes *= (size_t)sizes[i];
  return bytes;
}

static int is_contiguous(const pte_tensor* tensor) {
  int64_t step = 1;
  uint32_t i;
  for (i = tensor->rank; i-- > 0;) {
    if (tensor->sizes[i] != 1 && tensor->strides[i] != step) return 0;
    step *= tensor->sizes[i];
  }
  return 1;
}

static int write_output(const pte_method* method, size_t index) {
  pte_error* error = NULL;
  pte_tensor tensor;
  char path[32];
  FILE* file;
  size_t size;
  if (pte_method_output(method, index, &tensor, &error) != PTE_OK) return fail(error);
  if (!is_contiguous(&tensor)) {
    fprintf(stderr, "error: output %lu is not row-major\n", (unsigned long)index);
    return 1;
  }
  size = size_of(tensor.dtype, tensor.sizes, tensor.rank);
  sprintf(path, "out%u.bin", (unsigned)index);
  file = fopen(path, "wb");
  if (file == NULL || fwrite(tensor.data, 1, size, file) != size) {
    fprintf(stderr, "error: %s cannot be written\n", path);
    if (file != NULL) fclose(file);
    return 1;
  }
  fclose(file);
  printf("%s  %s, %lu bytes\n", path, pte_dtype_name(tensor.dtype), (unsigned long)size);
  return 0;
}

/* Reads each file into its input; the memory is kept in `held` until the execution has ended. */
static int set_inputs(pte_method* method, char** files, void** held) {
  size_t i;
  for (i = 0; i < pte_method_input_count(method); ++i) {
    pte_error* error = NULL;
    pte_value_info info = PTE_VALUE_INFO_INIT;
    pte_tensor tensor = {NULL, 0, NULL, NULL, 0, 0};
    if (pte_method_input_info(method, i, &info, &error) != PTE_OK) return fail(error);
    tensor.size_bytes = size_of(info.dtype, info.sizes, info.rank);
    tensor.data = held[i] = read_file(files[i], (size_t)tensor.size_bytes);
    if (held[i] == NULL) return 1;
    tensor.sizes = info.sizes;
    tensor.rank = info.rank;
    tensor.dtype = info.dtype;
    if (pte_method_set_input(method, i, &tensor, &error) != PTE_OK) return fail(error);
  }
  return 0;
}

int main(int argc, char** argv) {
  pte_error* error = NULL;
  pte_module* module = NULL;
  pte_method* method = NULL;
  void** held = NULL;
  size_t count = 0;
  size_t i;
  int code = 1;
  if (argc < 2) {
    fprintf(stderr, "usage: run_model MODEL.pte INPUT.bin...\n");
    return 2;
  }
  if (pte_module_load(argv[1], NULL, &module, &error) != PTE_OK ||
      pte_method_create(module, "forward", NULL, &method, &error) != PTE_OK) {
    pte_module_free(module);
    return fail(error);
  }
  count = pte_method_input_count(method);
  if ((size_t)(argc - 2) != count) {
    fprintf(stderr, "error: the program takes %lu inputs\n", (unsigned long)count);
    code = 2;
    goto done;
  }
  held = calloc(count + 1, sizeof(void*));
  if (held == NULL || set_inputs(method, argv + 2, held) != 0) goto done;
  if (pte_method_execute(method, &error) != PTE_OK) {
    fail(error);
    goto done;
  }
  code = 0;
  for (i = 0; i < pte_method_output_count(method) && code == 0; ++i) {
    code = write_output(method, i);
  }
done:
  for (i = 0; held != NULL && i < count; ++i) free(held[i]);
  free(held);
  pte_method_free(method);
  pte_module_free(module);
  return code;
}
