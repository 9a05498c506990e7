//! ONNX Runtime: found where people have it, loaded once.
//!
//! The program is built without it. Places are asked in this order: `ORT_DYLIB_PATH`, which alone counts where it is set;
//! beside the program; what `pip install onnxruntime` leaves in folders of `PYTHONPATH`, in the active environment, in
//! that of the `python3` on `PATH`, in the user's and in the system's; the system's loader. No Python is run.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::env::{current_exe, home_dir, split_paths, var_os};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::encoder::frozen::FrozenError;

/// The library and the one environment that it allows a process, which lives as long as that.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Finds ONNX Runtime, which runs ONNX models, and loads it; where it lies, or its bare name from the system's loader.
///
/// # Errors
/// - it is nowhere, or what was found is too old, damaged or something else
pub fn onnx_runtime() -> Result<PathBuf, FrozenError> {
    Ok(loaded()?.0)
}

pub(super) fn environment() -> Result<Environment, FrozenError> {
    Ok(loaded()?.1)
}

fn loaded() -> Result<(PathBuf, Environment), FrozenError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Some(found) => Ok(found.clone()),
        None => Ok(loaded.insert(load(&Places::of_this_process())?).clone()),
    }
}

fn load(places: &Places) -> Result<(PathBuf, Environment), FrozenError> {
    let mut unusable = None;
    for library in places.libraries() {
        let failed = |reason: String| FrozenError::OnnxRuntime { library: library.clone(), reason };
        match ort::init_from(&library) {
            Ok(builder) => {
                let environment = builder.with_name("sporeprint").with_telemetry(false).build();
                let environment = environment.map_err(|error| failed(error.to_string()))?;
                // Errors come back as such, and the rest is about speed: stderr is for what a person can act on.
                environment.set_log_level(LogLevel::Fatal);
                return Ok((library, environment));
            }
            // A bare name that the system's loader does not know is no library that was found.
            Err(_) if library.is_relative() => {}
            Err(error) => unusable = unusable.or(Some(failed(in_words(&error)))),
        }
    }
    Err(unusable.unwrap_or(FrozenError::NoOnnxRuntime))
}

fn in_words(error: &LoadDynamicError) -> String {
    match error {
        LoadDynamicError::Dlopen { error, .. } => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("the system's loader says {reason}")
        }
        LoadDynamicError::MissingApi { .. } => "it is another library".to_owned(),
        LoadDynamicError::InvalidVersionString => "it does not say its version".to_owned(),
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is version {version_str}, expected 1.{} or newer", ort::MINOR_VERSION)
        }
    }
}

/// What the surroundings of a process say about where libraries lie.
#[derive(Debug, Default)]
struct Places {
    /// `ORT_DYLIB_PATH`.
    named: Option<PathBuf>,
    /// The program's own folder.
    program: Option<PathBuf>,
    /// Folders that Python itself would ask first.
    python_path: Vec<PathBuf>,
    /// Active environments: `VIRTUAL_ENV`, `CONDA_PREFIX`.
    environments: Vec<PathBuf>,
    /// Where programs lie.
    path: Vec<PathBuf>,
    /// The user's own folder.
    home: Option<PathBuf>,
    /// Where Windows keeps what is the user's own.
    app_data: Option<PathBuf>,
    /// Where the system keeps its Python.
    system: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        let path = |name: &str| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // A relative folder is another one wherever the program is started.
        let paths = |name: &str| -> Vec<PathBuf> {
            var_os(name).iter().flat_map(split_paths).filter(|folder| folder.is_absolute()).collect()
        };
        Self {
            named: path("ORT_DYLIB_PATH"),
            program: current_exe().ok().and_then(|program| Some(program.parent()?.to_owned())),
            python_path: paths("PYTHONPATH"),
            environments: ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(path).collect(),
            path: paths("PATH"),
            home: home_dir(),
            app_data: path("APPDATA"),
            system: ["/usr/local", "/usr"].map(PathBuf::from).to_vec(),
        }
    }

    /// Libraries in the order in which they are tried; those with a path are there, but for one that was named.
    fn libraries(&self) -> Vec<PathBuf> {
        if let Some(named) = &self.named {
            // The system's loader would look for a bare name everywhere but here.
            return vec![std::path::absolute(named).unwrap_or_else(|_| named.clone())];
        }
        let packages = self.site_packages().into_iter().map(|folder| folder.join("onnxruntime").join("capi"));
        let mut libraries: Vec<PathBuf> =
            self.program.iter().cloned().chain(packages).flat_map(|folder| libraries_in(&folder)).collect();
        let name = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
        // Linux distributions have the bare name in packages for developers only.
        libraries.extend([PathBuf::from(&name), PathBuf::from(name + ".1")]);
        libraries
    }

    /// Folders of Python packages.
    fn site_packages(&self) -> Vec<PathBuf> {
        let mut folders = self.python_path.clone();
        let on_path = self.path.iter().flat_map(|folder| prefixes_of_python(folder));
        let of_user = self.home.iter().map(|home| home.join(".local"));
        let prefixes = self.environments.iter().cloned().chain(on_path).chain(of_user);
        for prefix in prefixes.chain(self.system.iter().cloned()) {
            for python in versions(&prefix.join("lib"), "python3") {
                folders.extend(["site-packages", "dist-packages"].map(|name| python.join(name)));
            }
            folders.push(prefix.join("Lib").join("site-packages"));
        }
        if let Some(home) = &self.home {
            let of_macos = versions(&home.join("Library").join("Python"), "3");
            folders.extend(of_macos.into_iter().map(|python| python.join("lib/python/site-packages")));
        }
        if let Some(data) = &self.app_data {
            let of_windows = versions(&data.join("Python"), "Python3");
            folders.extend(of_windows.into_iter().map(|python| python.join("site-packages")));
        }
        folders
    }
}

/// The environments of a Python in a folder of programs: its own, and the one that it is a link into.
fn prefixes_of_python(folder: &Path) -> Vec<PathBuf> {
    let Some(python) = ["python3", "python"]
        .map(|name| folder.join(format!("{name}{EXE_SUFFIX}")))
        .into_iter()
        .find(|path| path.is_file())
    else {
        return Vec::new();
    };
    let prefix = |python: &Path| {
        let folder = python.parent()?;
        // On Windows it lies in the environment itself.
        Some(if folder.ends_with("bin") || folder.ends_with("Scripts") { folder.parent()? } else { folder }.to_owned())
    };
    let target = fs_err::canonicalize(&python).ok();
    [Some(python), target].iter().flatten().filter_map(|python| prefix(python)).collect()
}

/// Folders in a folder whose names start like this, the newest version first.
fn versions(folder: &Path, start: &str) -> Vec<PathBuf> {
    let number = |name: &str| -> Vec<u32> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    let mut found: Vec<(Vec<u32>, PathBuf)> =
        entries(folder).filter(|(name, _)| name.starts_with(start)).map(|(name, path)| (number(&name), path)).collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// ONNX Runtime itself, under whatever version its name says, and none of the libraries that it loads.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let start = format!("{DLL_PREFIX}onnxruntime.");
    let mut found: Vec<PathBuf> = entries(folder)
        .filter(|(name, path)| name.starts_with(&start) && name.contains(DLL_SUFFIX) && path.is_file())
        .map(|(_, path)| path)
        .collect();
    found.sort();
    found
}

/// Names and paths in a folder; none where it cannot be read, since most of the places asked are not there.
fn entries(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use ort::LoadDynamicError;

    use super::{Places, in_words};

    const LIBRARY: &str = if cfg!(windows) {
        "onnxruntime.dll"
    } else if cfg!(target_os = "macos") {
        "libonnxruntime.1.32.0.dylib"
    } else {
        "libonnxruntime.so.1.32.0"
    };

    /// Puts a file where `pip install onnxruntime` puts the library, for a Python whose packages are in this folder.
    fn install(packages: &Path) -> PathBuf {
        let folder = packages.join("onnxruntime/capi");
        fs_err::create_dir_all(&folder).expect("a folder");
        for name in [LIBRARY, "libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so"] {
            fs_err::write(folder.join(name), "").expect("a file");
        }
        folder.join(LIBRARY)
    }

    /// What was found, without the names that are left to the system's loader.
    fn found(places: &Places) -> Vec<PathBuf> {
        places.libraries().into_iter().filter(|library| library.is_absolute()).collect()
    }

    #[test]
    fn a_library_that_is_named_is_the_only_one() {
        let folder = tempfile::tempdir().expect("a folder");
        install(folder.path());
        let named = folder.path().join("none-such");
        let places =
            Places { named: Some(named.clone()), python_path: vec![folder.path().to_owned()], ..Places::default() };
        assert_eq!(places.libraries(), [named]);
        assert_eq!(found(&Places { named: None, ..places }).len(), 1);
    }

    #[test]
    fn an_active_environment_comes_before_the_python_on_the_path_and_that_before_the_users() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("it was just made");
        let at = |name: &str| root.join(name);
        let active = install(&at("active/lib/python3.12/site-packages"));
        let on_path = install(&at("opt/lib/python3.11/site-packages"));
        let users = install(&at("home/.local/lib/python3.11/site-packages"));
        let debian = install(&at("usr/lib/python3/dist-packages"));
        fs_err::create_dir_all(at("opt/bin")).expect("a folder");
        fs_err::write(at("opt/bin").join(format!("python3{}", std::env::consts::EXE_SUFFIX)), "").expect("a file");
        let places = Places {
            environments: vec![at("active")],
            path: vec![at("none-such"), at("opt/bin")],
            home: Some(at("home")),
            system: vec![at("usr")],
            ..Places::default()
        };
        // The Python on the path has its folder twice where it is no link.
        let mut libraries = found(&places);
        libraries.dedup();
        assert_eq!(libraries, [active, on_path, users, debian]);
    }

    #[test]
    fn the_newest_python_comes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let [old, new] =
            ["9", "12"].map(|minor| install(&folder.path().join(format!("lib/python3.{minor}/site-packages"))));
        let places = Places { system: vec![folder.path().to_owned()], ..Places::default() };
        assert_eq!(found(&places), [new, old]);
    }

    #[test]
    fn a_library_that_is_too_old_is_told_by_its_version() {
        let error = LoadDynamicError::BadVersion { version_str: "1.10.0".to_owned(), path: PathBuf::new() };
        let words = in_words(&error);
        assert!(words.contains("1.10.0") && words.contains("1.24 or newer"), "{words}");
    }
}
