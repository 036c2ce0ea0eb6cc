#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/pages.h"

namespace pte {
namespace {

Error io_error(const std::string& path, std::string_view what) {
  const int number = errno;
  Error error = make_error(number == ENOENT ? Code::kNotFound : Code::kIo, "{}: cannot {}: {}",
                           path, what, std::strerror(number));
  if (number == ENOSPC) error.hint = "the disk is full; free some space or choose another folder";
  return error;
}

FileStamp stamp_from(const struct stat& info) {
  const auto nanoseconds = [](const timespec& time) {
    return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
  };
  FileStamp stamp;
  stamp.device = info.st_dev;
  stamp.inode = info.st_ino;
  stamp.size = static_cast<uint64_t>(info.st_size);
  stamp.modified = nanoseconds(info.st_mtim);
  stamp.changed = nanoseconds(info.st_ctim);
  // The coarsest clock of a usual file system goes in steps of two seconds.
  constexpr int64_t kStep = 2000000000;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  stamp.settled = nanoseconds(now) - std::max(stamp.modified, stamp.changed) > kStep;
  return stamp;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return io_error(path, "open");
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return io_error(path, "read its size");
  if (!S_ISREG(info.st_mode)) {
    return make_error(Code::kIo, "{}: not a regular file", path);
  }
  MappedFile file;
  file.path_ = path;
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return file;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return io_error(path, "map");
  file.bytes_ = {static_cast<const std::byte*>(data), size};
  file.owner_ = std::shared_ptr<const void>(data, Unmap{file.bytes_, stamp_from(info)});
  return file;
}

MappedFile MappedFile::from_bytes(std::vector<std::byte> bytes, std::string name) {
  MappedFile file;
  auto owner = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  file.bytes_ = *owner;
  file.path_ = std::move(name);
  file.owner_ = std::move(owner);
  return file;
}

MappedFile MappedFile::view(Bytes bytes, std::shared_ptr<const void> owner, std::string name) {
  MappedFile file;
  file.bytes_ = bytes;
  file.path_ = std::move(name);
  file.owner_ = std::move(owner);
  return file;
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return io_error(path, "create");
  // mkostemp makes files that only their owner may read; give what open() would have given.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd, 0666 & ~mask);
  return AtomicFile(fd, path, std::move(temporary));
}

AtomicFile::AtomicFile(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      position_(other.position_),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status AtomicFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return io_error(path_, "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
  }
  return {};
}

Status AtomicFile::write(std::string_view text) { return write(as_bytes(text)); }

Status AtomicFile::pad(size_t count) {
  static constexpr std::byte kZeros[512] = {};
  while (count > 0) {
    const size_t chunk = std::min(count, sizeof(kZeros));
    PTE_CHECK(write(Bytes(kZeros, chunk)));
    count -= chunk;
  }
  return {};
}

Status AtomicFile::commit() {
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) {
    Error error = io_error(path_, "write");
    ::unlink(temporary_.c_str());
    return error;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    Error error = io_error(path_, "rename to");
    ::unlink(temporary_.c_str());
    return error;
  }
  return {};
}

Status write_file(const std::string& path, Bytes bytes) {
  PTE_TRY(AtomicFile file, AtomicFile::create(path));
  PTE_CHECK(file.write(bytes));
  return file.commit();
}

Status write_file(const std::string& path, std::string_view text) {
  return write_file(path, as_bytes(text));
}

}  // namespace pte
