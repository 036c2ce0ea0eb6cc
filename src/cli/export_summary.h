// export_summary.json, in the form that the generic Python exporter writes.
#pragma once

#include "cli/export_job.h"

namespace pte::cli {

// Into the output's folder.
Status write_summary(const ExportJob& job, const ExportReport& report);
// Of a model that could not be exported at all: one failed result a backend.
Status write_failed_summary(const ExportJob& job, const Error& error, double milliseconds);

}  // namespace pte::cli
