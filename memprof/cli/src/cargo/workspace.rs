//! The packages of the workspace and their dependencies: which of them are edited, and where cargo
//! builds.

use crate::cargo::args::Args;
use crate::cargo::plan::Package;
use crate::cargo::sources::normal;
use cargo_metadata::{Metadata, MetadataCommand, PackageId, TargetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What cargo knows about the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

/// A folder by its one path without symbolic links: cargo starts the compiler in it by that path.
pub(crate) fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// The path of `file`, which is in a package's folder, if that is called `folder`.
pub(crate) fn inside(file: &Path, package: &Path, folder: &Path) -> PathBuf {
    normal(&match file.strip_prefix(package) {
        Ok(inside) => folder.join(inside),
        Err(_) => file.to_owned(),
    })
}

/// memprof's own packages, which aren't profiled.
const OURS: [&str; 3] = ["memprof", "memprof-macros", "cargo-memprof"];

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read(args: &Args, cargo: &Path) -> Result<Self, String> {
        let mut features = Vec::new();
        for name in ["--all-features", "--no-default-features"] {
            features.extend(args.has(&[name]).then(|| name.to_owned()));
        }
        for name in ["--features", "-F"] {
            for value in args.values(name) {
                features.extend(["--features".to_owned(), value]);
            }
        }
        // They may be those of a package that `-p` chooses, which `cargo metadata` doesn't know.
        let all = Self::ask(args, cargo, &features);
        let metadata = match all {
            Err(_) if !features.is_empty() => Self::ask(args, cargo, &[]),
            all => all,
        };
        Ok(Self {
            metadata: metadata?,
        })
    }

    fn ask(args: &Args, cargo: &Path, features: &[String]) -> Result<Metadata, String> {
        let mut command = MetadataCommand::new();
        command.cargo_path(cargo);
        if let Some(path) = args.values("--manifest-path").first() {
            command.manifest_path(path);
        }
        let mut options = features.to_vec();
        for name in ["--offline", "--locked", "--frozen"] {
            options.extend(args.has(&[name]).then(|| name.to_owned()));
        }
        for name in ["--config", "-Z"] {
            for value in args.values(name) {
                options.extend([name.to_owned(), value]);
            }
        }
        command.other_options(options);
        command.exec().map_err(|error| match error {
            cargo_metadata::Error::CargoMetadata { stderr } => {
                stderr.trim().trim_start_matches("error: ").to_owned()
            }
            error => error.to_string(),
        })
    }

    /// The folder that cargo builds in without us.
    pub(crate) fn target_folder(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The packages to edit: those with local sources, and the dependencies with these names. Also
    /// returns the names of local packages that are left plain, because a program that they are in
    /// has a memprof of its own.
    pub(crate) fn packages(&self, deps: &[String]) -> Result<(Vec<Package>, Vec<String>), String> {
        for name in deps {
            let mut packages = self.metadata.packages.iter();
            if !packages.any(|package| package.name == *name) {
                return Err(format!(
                    "--deps: no package {name:?} is among the dependencies; `cargo tree` lists their names"
                ));
            }
        }
        let beside_memprof = self.beside_memprof();
        let mut packages = Vec::new();
        let mut left_plain = Vec::new();
        for package in &self.metadata.packages {
            let is_chosen =
                package.source.is_none() || deps.iter().any(|name| package.name == *name);
            if !is_chosen || OURS.contains(&package.name.as_str()) {
                continue;
            }
            let manifest = package.manifest_path.as_std_path();
            let named = manifest.parent().unwrap_or(Path::new(""));
            let folder = canonical(named);
            let roots: Vec<PathBuf> = package
                .targets
                .iter()
                .filter(|target| {
                    let is = |kind: TargetKind| target.kind.contains(&kind);
                    !is(TargetKind::CustomBuild) && !is(TargetKind::ProcMacro)
                })
                .map(|target| inside(target.src_path.as_std_path(), named, &folder))
                .collect();
            if roots.is_empty() {
                continue;
            }
            let own_memprof = self.own_memprof(&package.id);
            if own_memprof.is_none() && beside_memprof.contains(&package.id) {
                left_plain.push(package.name.to_string());
                continue;
            }
            packages.push(Package {
                name: package.name.to_string(),
                tree: self.tree(&folder, package.source.is_none()),
                folder,
                roots,
                own_memprof,
            });
        }
        Ok((packages, left_plain))
    }

    /// The folder that is mirrored for a package: the repository that it is in, since sources may
    /// include files from anywhere in it.
    fn tree(&self, folder: &Path, is_local: bool) -> PathBuf {
        if !is_local {
            return folder.to_owned();
        }
        let repository = folder
            .ancestors()
            .find(|folder| folder.join(".git").exists());
        let root = canonical(self.metadata.workspace_root.as_std_path());
        let workspace = folder.starts_with(&root).then_some(&*root);
        match (repository, workspace) {
            (Some(repository), Some(workspace)) if workspace.starts_with(repository) => repository,
            (_, Some(workspace)) => workspace,
            (Some(repository), None) => repository,
            (None, None) => folder,
        }
        .to_owned()
    }

    /// How a package names memprof, if it depends on it.
    fn own_memprof(&self, id: &PackageId) -> Option<String> {
        let memprof = self.memprof()?;
        let node = self
            .metadata
            .resolve
            .as_ref()?
            .nodes
            .iter()
            .find(|node| node.id == *id)?;
        let mut deps = node.deps.iter();
        deps.find(|dep| dep.pkg == *memprof)
            .map(|dep| dep.name.clone())
    }

    fn memprof(&self) -> Option<&PackageId> {
        let mut packages = self.metadata.packages.iter();
        packages
            .find(|package| package.name == "memprof")
            .map(|package| &package.id)
    }

    /// The feature that has the program's own memprof write reports, if it has one of its own.
    pub(crate) fn export_feature(&self, args: &Args) -> Option<String> {
        if args.has(&["-p", "--package", "--workspace", "--all"]) {
            return None;
        }
        let package = self.metadata.root_package()?;
        self.own_memprof(&package.id)?;
        let dependency = package
            .dependencies
            .iter()
            .find(|dependency| dependency.name == "memprof")?;
        let name = dependency.rename.as_deref().unwrap_or(&dependency.name);
        Some(format!("{name}/export"))
    }

    /// Packages that are linked with memprof in some program of the workspace.
    fn beside_memprof(&self) -> BTreeSet<PackageId> {
        let (Some(memprof), Some(resolve)) = (self.memprof(), &self.metadata.resolve) else {
            return BTreeSet::new();
        };
        let deps: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
            .nodes
            .iter()
            .map(|node| (&node.id, node.dependencies.iter().collect()))
            .collect();
        let mut beside = BTreeSet::new();
        for member in &self.metadata.workspace_members {
            let mut reached = BTreeSet::new();
            let mut pending = vec![member];
            while let Some(id) = pending.pop() {
                if reached.insert(id) {
                    pending.extend(deps.get(id).into_iter().flatten());
                }
            }
            if reached.contains(memprof) {
                beside.extend(reached.into_iter().cloned());
            }
        }
        beside
    }
}
