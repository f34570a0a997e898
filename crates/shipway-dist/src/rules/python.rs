//! Rules about the Python inside a wheel, which `shipway-pyapi` judges: row J6, and checks 98 and 102.

super::rules! {
    error SCRIPT_TARGET "script-target-98" 98
        why "a command whose function the wheel does not hold fails whenever it is called"
        fix "point the script at a function that exists, or add its module to the build configuration"
    strict ENTRY_POINT_TARGET "entry-point-target-98" 98
        why "a plugin whose object the wheel does not hold breaks the program that loads it"
        fix "point the entry point at an object that exists"
    error DANGLING_IMPORT "dangling-import-102" 102
        why "a module imports, unconditionally, a submodule of its own that the wheel does not hold, so importing it fails for everybody"
        fix "add the missing package to the build configuration and build again"
    strict DANGLING_IMPORT_UNREACHED "dangling-import-unreached-102" 102
        why "a module that neither the top-level package nor a command imports cannot be imported: it needs a submodule that the wheel does not hold"
        fix "add the missing package to the build configuration, or leave the module out of the wheel"
}
